// A limit on the questions for our addresses that the kernel takes in on one interface: an nftables chain at ingress, before the
// kernel's own ARP and IPv6 input and before our sockets. It is there during a flood only, in a table that this process's netlink
// socket owns, so that the kernel removes it when the socket closes, however the process ends. Claims are never limited.
// Needs CAP_NET_ADMIN and Linux 5.12 with nf_tables; without, every call returns an errno and nothing changes.
#pragma once

#include <string>
#include <vector>

#include "os/netlink.h"
#include "packets/address.h"

namespace vipd {

class FloodGate {
 public:
  /** Sets the limit, questions a second over all `addresses` of each family, in place of the one before. 0 or errno. */
  int set(const std::string& interface, const std::vector<Ip>& addresses, uint64_t per_second);
  void lift();
  bool is_set() const { return socket_.fd() >= 0; }
  /** Questions that were kept out since the last call. */
  uint64_t take_dropped();

 private:
  int run(const NetlinkRequest& request);
  uint64_t read_counter();

  NetlinkSocket socket_;
  std::string table_;
  bool made_ = false;
  uint64_t counted_ = 0;
};

}  // namespace vipd
