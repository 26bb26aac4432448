// Solicited-node groups of the announcing interfaces, joined by plain UDP sockets so that a switch with MLD snooping
// delivers neighbour solicitations for addresses that the kernel does not have there (FACTS.md, section 2). Two VIPs may
// share a group. Several sockets: one joins ~2 340 groups at most. A thread of its own: every join takes the kernel's
// RTNL lock, which others hold for seconds, and answering must not wait for it. It never speaks by itself.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "os/outbox.h"
#include "os/sys.h"
#include "packets/address.h"

namespace vipd {

/** The memberships of one interface. Blocking; one thread's own. */
class Groups {
 public:
  explicit Groups(int interface_index) : index_(interface_index) {}
  /** Joins and leaves what differs, one by one, until `superseded`. Returns the first errno, 0 if none. */
  int follow(const std::set<Ip>& wanted, const std::function<bool()>& superseded);

 private:
  struct Socket {
    Fd fd;
    size_t joined = 0;
    bool full = false;
  };
  int join(const Ip& group);
  void leave(const Ip& group, size_t at);

  const int index_;
  std::vector<Socket> sockets_;
  /** Group -> position of its socket. */
  std::map<Ip, size_t> joined_;
};

/** The thread that works memberships off. `want` never blocks. */
class GroupJoiner {
 public:
  explicit GroupJoiner(Outbox& outbox) : outbox_(outbox) {}
  ~GroupJoiner() { stop(); }
  void start();
  /** Joins the thread; every membership ends. Idempotent. */
  void stop();
  /** Replaces what is wanted on an interface; an empty list leaves all. `name` is for messages. */
  void want(int interface_index, const std::string& name, const std::vector<Ip>& addresses);

 private:
  struct Wanted {
    std::string name;
    std::set<Ip> groups;
  };
  void run();
  void work_off(int interface_index, const Wanted& wanted);
  bool superseded(int interface_index);

  Outbox& outbox_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  /** Not looked at yet. */
  std::map<int, Wanted> wanted_;

  // The thread's own from here on.
  std::map<int, Groups> groups_;
  size_t steps_ = 0;
};

}  // namespace vipd
