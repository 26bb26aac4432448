// Solicited-node groups of one interface, joined by plain UDP sockets so that a switch with MLD snooping delivers
// neighbour solicitations for addresses that the kernel does not have there (FACTS.md, section 2). Counted: two VIPs may
// share a group. Several sockets: one joins ~2 340 groups at most.
#pragma once

#include <map>
#include <vector>

#include "os/sys.h"
#include "packets/address.h"

namespace vipd {

class Groups {
 public:
  /** Wanted addresses of the interface: joins and leaves the difference. Returns the first errno, 0 if none. */
  int set(int interface_index, const std::vector<Ip>& addresses);
  /** The interface is gone, and with it the memberships. */
  void forget();

 private:
  struct Socket {
    Fd fd;
    size_t joined = 0;
    bool full = false;
  };
  int join(int interface_index, const Ip& group);
  std::vector<Socket> sockets_;
  /** Group -> position of its socket. */
  std::map<Ip, size_t> joined_;
};

}  // namespace vipd
