// Keeps VIPs on lo: adds, renews while the lease lives, puts back what others delete, removes, sweeps leftovers.
// A thread of its own, since the kernel takes a while for ten thousand (each addition and removal walks all of them) and
// answering must not wait. Removals go in small slices, so that an addition, a takeover's, never waits behind them. It never
// touches an address that is not ours, and never speaks on a wire.
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
  /** A drop or a sweep on its way, from the last address to the first. */
  struct Removal {
    uint32_t id;
    std::vector<Ip> left;
    /** A sweep tells what it removed. */
    bool tell;
    std::vector<std::string> removed;
    std::string error;
  };

  void run();
  void handle_requests();
  bool take_request(Request& request);
  void hold(const Request& request);
  void begin_drop(const Request& request);
  void begin_sweep(const Request& request);
  void remove_slice();
  void read_changes();
  void verify_all();
  void restore(const std::vector<Ip>& gone, bool deleted_by_others);
  void renew(int64_t now_ns);
  void renew_batch();
  void retry_missing();
  void set_held(const Ip& ip, Held held);
  void forget(std::map<Ip, Held>::iterator it);
  void rearm(int64_t now_ns);
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
  size_t missing_count_ = 0;
  std::deque<Removal> removals_;
  int64_t renew_ns_ = INT64_MAX;
  int64_t retry_ns_ = INT64_MAX;
  /** Something is missing that must not be put back before the lease lives. */
  bool waits_for_lease_ = false;
  /** The last address that was renewed in this turn. */
  Ip renewed_up_to_;
  /** A renewal was due while the lease was dead: all of them as soon as it lives. */
  bool overdue_ = false;
};

}  // namespace vipd
