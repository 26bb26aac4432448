// See port.h.
#include "os/port.h"

#include <linux/if_ether.h>

#include <cerrno>
#include <cstdio>

namespace vipd {

int Port::attach(const Link& to) {
  auto arp_socket = std::make_unique<PacketSocket>();
  auto ndp_socket = std::make_unique<PacketSocket>();
  // Deaf at first: refresh_filters opens the filters to what concerns us.
  if (const int error = arp_socket->open(to.index, ETH_P_ARP, kArpRing, arp_filter({}))) return error;
  if (const int error = ndp_socket->open(to.index, ETH_P_IPV6, kNdpRing, ndp_filter({}))) return error;
  arp = std::move(arp_socket);
  ndp = std::move(ndp_socket);
  index = to.index;
  link = to;
  interest_changed = true;
  read_forwarding();
  return 0;
}

void Port::detach() {
  gate.lift();
  flood = Flood{};
  arp.reset();
  ndp.reset();
  index = 0;
  link = Link{};
  arp_key = 0;
  ndp_key = 0;
  broadcast_ns.clear();
  drops_due_ns = kNever;
}

std::vector<Ip> Port::known() const {
  std::vector<Ip> addresses;
  addresses.reserve(table.entries().size());
  for (const auto& [ip, entry] : table.entries()) addresses.push_back(ip);
  return addresses;
}

std::vector<Ip> Port::owned() const {
  std::vector<Ip> addresses;
  for (const auto& [ip, entry] : table.entries()) {
    if (entry.hold == Hold::kOwned) addresses.push_back(ip);
  }
  return addresses;
}

int Port::guard() {
  std::vector<Ip> addresses = owned();
  if (gate.is_set() ? addresses == guarded : addresses.empty()) return 0;
  int error = 0;
  if (!gate.is_set()) {
    error = arp->hear_first(true);
    if (error == 0) error = ndp->hear_first(true);
  }
  if (error == 0) error = gate.set(name, addresses);
  if (error != 0) unguard();
  else guarded = std::move(addresses);
  return error;
}

void Port::unguard() {
  // The kernel first: between the two nobody would hear.
  gate.lift();
  arp->hear_first(false);
  ndp->hear_first(false);
}

int Port::refresh_filters(const std::vector<Ip>& addresses) {
  const int arp_error = arp->set_filter(arp_filter(addresses));
  const int ndp_error = ndp->set_filter(ndp_filter(addresses));
  return arp_error != 0 ? arp_error : ndp_error;
}

void Port::read_forwarding() {
  router = false;
  const std::string path = "/proc/sys/net/ipv6/conf/" + name + "/forwarding";
  std::FILE* file = std::fopen(path.c_str(), "re");
  // No IPv6 here: nothing to say, and no NA either.
  if (file == nullptr) return;
  router = std::fgetc(file) == '1';
  std::fclose(file);
}

std::shared_ptr<const std::vector<Announced>> Port::all_owned() const {
  auto all = std::make_shared<std::vector<Announced>>();
  for (const auto& [ip, entry] : table.entries()) {
    if (entry.hold == Hold::kOwned) all->push_back({ip, entry.epoch});
  }
  return all;
}

}  // namespace vipd
