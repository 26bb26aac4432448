// The responder and its links: attach late, detach, follow index, MAC, carrier and name; join groups; announce again.
#include <linux/if_ether.h>
#include <sys/epoll.h>

#include <cerrno>

#include "os/responder.h"

namespace vipd {

void Responder::publish_links() {
  std::map<std::string, LinkState> all;
  for (const auto& [index, link] : monitor_.all()) all[link.name] = monitor_.state_of(link.name);
  const std::lock_guard<std::mutex> lock(links_mutex_);
  links_.swap(all);
}

std::vector<LinkState> Responder::links(const std::vector<std::string>& names) const {
  std::vector<LinkState> states;
  const std::lock_guard<std::mutex> lock(links_mutex_);
  for (const std::string& name : names) {
    const auto it = links_.find(name);
    if (it != links_.end()) {
      states.push_back(it->second);
    } else {
      states.emplace_back();
      states.back().name = name;
    }
  }
  return states;
}

void Responder::reconcile() {
  publish_links();
  for (auto it = ports_.begin(); it != ports_.end();) {
    Port& port = *it->second;
    reconcile_port(port);
    const bool idle = !port.wanted && port.asks == 0 && port.table.empty() && port.announcements.empty();
    if (idle) {
      detach(port);
      it = ports_.erase(it);
    } else {
      ++it;
    }
  }
  refresh_interest();
}

void Responder::reconcile_port(Port& port) {
  const Link* link = monitor_.find(port.name);
  // A member's frames are its master's business: the switch would see the VIP behind the wrong MAC, or twice.
  const bool usable = link != nullptr && link->ethernet && link->master == 0 && (port.wanted || port.asks > 0);
  const int64_t now = boot_ns();
  if (port.attached() && (!usable || link->index != port.index)) detach(port);
  if (usable && !port.attached()) {
    attach(port, *link);
    if (port.can_send()) announce_again(port, now);
  } else if (usable) {
    const bool could_send = port.can_send();
    const bool new_mac = port.link.mac != link->mac;
    port.link = *link;
    port.read_forwarding();
    // Carrier back: the switch and the neighbours may have forgotten us. Another MAC: they hold the wrong one.
    if (port.can_send() && (!could_send || new_mac)) announce_again(port, now);
  }
  const LinkState state = monitor_.state_of(port.name);
  if (port.wanted && (!port.was_reported || !(state == port.reported))) {
    if (link != nullptr && !link->ethernet) trouble(port, "", EOPNOTSUPP, "not an Ethernet link; nothing is answered on it");
    if (state.master != 0) {
      const std::string kind = state.master_kind.empty() ? "master" : state.master_kind;
      // What routes for a VRF does not find VIPs on lo; a bridge, bond or team answers itself.
      const std::string instead = kind == "vrf" ? "" : ", name " + state.master_name + " instead";
      trouble(port, "", EBUSY, "a member of the " + kind + " " + state.master_name + "; nothing is answered on it" + instead);
    }
    port.was_reported = true;
    port.reported = state;
    Event event{};
    event.kind = Event::Kind::kLink;
    event.link = state;
    outbox_.post(std::move(event));
  }
}

void Responder::attach(Port& port, const Link& link) {
  if (const int error = port.attach(link)) {
    port.detach();
    trouble(port, "", error, "cannot open the packet socket");
    return;
  }
  port.arp_key = next_key_++;
  port.ndp_key = next_key_++;
  channels_[port.arp_key] = {&port, port.arp.get()};
  channels_[port.ndp_key] = {&port, port.ndp.get()};
  for (const auto& [key, source] : {std::pair{port.arp_key, port.arp.get()}, std::pair{port.ndp_key, port.ndp.get()}}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = key;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, source->fd(), &event) != 0) {
      trouble(port, "", errno, "cannot wait for the packet socket");
    }
  }
}

void Responder::detach(Port& port) {
  if (!port.attached()) return;
  // Closing takes them out of epoll; events of this round that still name the keys find nothing.
  channels_.erase(port.arp_key);
  channels_.erase(port.ndp_key);
  joiner_.want(port.index, port.name, {});
  port.detach();
}

void Responder::refresh_interest() {
  for (auto& [name, port] : ports_) {
    if (!port->interest_changed) continue;
    port->interest_changed = false;
    if (!port->attached()) continue;
    std::vector<Ip> addresses = port->known();
    joiner_.want(port->index, name, addresses);
    const std::vector<Ip> asked = asker_.asked_on(*port);
    addresses.insert(addresses.end(), asked.begin(), asked.end());
    if (const int error = port->refresh_filters(addresses)) trouble(*port, "", error, "cannot set the filter");
  }
}

void Responder::announce_again(Port& port, int64_t now_ns) {
  if (port.table.owned_count() == 0) return;
  // A flapping link must not make a volley: one such burst a second, the next one waits.
  const int64_t at = std::max(now_ns, port.auto_announce_ns);
  // One is waiting already.
  if (at > now_ns + kNsPerS) return;
  port.auto_announce_ns = at + kNsPerS;
  port.announcements.add(port.all_owned(), {at, at + kNsPerS}, false);
}

}  // namespace vipd
