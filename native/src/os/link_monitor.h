// The host's links as rtnetlink tells them: a map kept current by RTM_NEWLINK and RTM_DELLINK, with a fresh dump at the
// start and after lost messages. Belongs to the responder's thread; says only "something changed".
#pragma once

#include <map>
#include <set>

#include "os/netlink.h"
#include "os/outbox.h"
#include "packets/address.h"

namespace vipd {

struct Link {
  std::string name;
  int index = 0;
  Mac mac;
  /** ARPHRD_ETHER; nothing else is answered on. */
  bool ethernet = false;
  bool up = false;
  bool carrier = false;
  uint32_t mtu = 0;
  int master = 0;
  /** As the kernel calls it: "bond", "bridge", "vrf", "team"; empty without a master. */
  std::string master_kind;
  uint32_t generation = 0;
};

class LinkMonitor {
 public:
  /** Subscribes and asks for the first dump. 0 or errno. */
  int open();
  int fd() const { return socket_.fd(); }
  /** Reads what came. Returns true when links (or the forwarding of one) may have changed. */
  bool read();
  /** The first dump is complete. */
  bool ready() const { return ready_; }
  const Link* find(const std::string& name) const;
  const std::map<int, Link>& all() const { return links_; }
  /** What is told of `name`; index 0 where it does not exist. */
  LinkState state_of(const std::string& name) const;
  /** MACs of all links of this host. */
  const std::set<Mac>& macs() const { return macs_; }

 private:
  void request_dump();
  void handle(const nlmsghdr& message);
  void upsert(const nlmsghdr& message);
  void finish_dump();
  void index_macs();

  NetlinkSocket socket_;
  std::map<int, Link> links_;
  std::set<Mac> macs_;
  uint32_t generation_ = 0;
  bool ready_ = false;
  bool dumping_ = false;
  bool dump_again_ = false;
  bool changed_ = false;
};


}  // namespace vipd
