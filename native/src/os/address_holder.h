// Keeps VIPs on lo: adds, renews while the lease lives, puts back what others delete, removes, sweeps leftovers.
// A thread of its own, since ten thousand additions take a while and answering must not wait. It never touches an address
// that is not ours, and never speaks on a wire.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "os/lease.h"
#include "os/lo_addresses.h"
#include "os/outbox.h"

namespace vipd {

class AddressHolder {
 public:
  static constexpr size_t kRequestsMax = 65536;

  AddressHolder(Lease& lease, Outbox& outbox) : lease_(lease), outbox_(outbox) {}
  ~AddressHolder() { stop(); }

  /** 0 or errno; then nothing runs. */
  int start();
  /** Joins. What is held stays on lo: taking it off is the owner's decision. Idempotent. */
  void stop();
  void wake() { signal_event(wake_.get()); }

  enum class Action { kHold, kDrop, kSweep };
  /** Completes through the outbox under `id`. False: too many requests wait. */
  bool request(uint32_t id, Action action, std::vector<Ip> addresses);

 private:
  struct Request {
    uint32_t id;
    Action action;
    std::vector<Ip> addresses;
  };
  struct Held {
    /** It was there before us and is not ours: neither renewed nor removed. */
    bool foreign = false;
    /** Gone although we want it. */
    bool missing = false;
  };

  void run();
  void handle_requests();
  void hold(const Request& request);
  void drop(const Request& request);
  void sweep(const Request& request);
  void read_changes();
  void verify_all();
  void restore(const std::vector<Ip>& gone, bool deleted_by_others);
  void renew();
  void rearm();
  void post_removed(const Ip& ip, bool restored);

  Lease& lease_;
  Outbox& outbox_;
  Fd epoll_, wake_, timer_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::deque<Request> requests_;

  // The thread's own from here on.
  LoAddresses lo_;
  NetlinkSocket monitor_;
  std::map<Ip, Held> held_;
  int64_t renew_ns_ = INT64_MAX;
  /** A renewal was due while the lease was dead: done as soon as it lives. */
  bool overdue_ = false;
};

}  // namespace vipd
