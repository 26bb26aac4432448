// The lease of law 2: one deadline for the whole host, on CLOCK_BOOTTIME, extended by the control plane only,
// in a turn or (addon/lease_keeper.h) between turns on the same loop. Lock-free: the control plane stores, the threads load
// right before each frame. It never extends itself.
#pragma once

#include <atomic>
#include <cstdint>

namespace vipd {

class Lease {
 public:
  /** From the control plane. 0 or less: silence at once. Returns true when a thread must be woken. */
  bool extend(int64_t until_ns);
  bool alive(int64_t now_ns) const { return now_ns < until_ns_.load(std::memory_order_acquire); }
  int64_t until_ns() const { return until_ns_.load(std::memory_order_acquire); }
  /** True once when it had lapsed and was extended before a thread noticed: the lapse is reported all the same. */
  bool take_missed_lapse() { return missed_lapse_.exchange(false, std::memory_order_acq_rel); }
  /** A thread found it lapsed and has something to do once it lives. */
  void want_wake() { wake_wanted_.store(true, std::memory_order_release); }

 private:
  std::atomic<int64_t> until_ns_{0};
  std::atomic<bool> wake_wanted_{false};
  std::atomic<bool> missed_lapse_{false};
};

}  // namespace vipd
