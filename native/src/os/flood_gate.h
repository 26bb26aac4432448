// Keeps questions for our addresses from the kernel's own ARP and IPv6 input while a flood lasts: an nftables chain at ingress on
// one interface. The kernel would stay silent for them anyway, at two thirds of what a question costs the core; whoever wants to see
// them must hear frames before ingress does (PacketSocket::hear_first). The table is owned by this process's netlink socket, so
// that the kernel removes it when the socket closes, however the process ends.
// Needs CAP_NET_ADMIN and Linux 5.12 with nf_tables; without, set() returns an errno and nothing changes.
#pragma once

#include <string>
#include <vector>

#include "os/netlink.h"
#include "packets/address.h"

namespace vipd {

class FloodGate {
 public:
  /** Questions for these addresses end at ingress from now on, in place of those before. 0 or errno; then none do. */
  int set(const std::string& interface, const std::vector<Ip>& addresses);
  void lift();
  bool is_set() const { return socket_.fd() >= 0; }

 private:
  int run(const NetlinkRequest& request);

  NetlinkSocket socket_;
  std::string table_;
};

}  // namespace vipd
