// How long a real-time thread may keep a core from ordinary ones: a leaky bucket of busy time. Pure: time is an argument.
// A flood must not starve the control plane, whose extensions of the lease are what lets us answer at all.
#pragma once

#include <algorithm>
#include <cstdint>

namespace vipd {

class Stint {
 public:
  /** Busy time in one go; then it rests until the bucket is empty again: kBusyMaxNs of every kBusyMaxNs + kRestNs. */
  static constexpr int64_t kBusyMaxNs = 9'000'000;
  static constexpr int64_t kRestNs = 1'000'000;

  /** Off where the control plane ranks above us anyway, or where we are an ordinary thread among others. */
  void enable(bool on) { enabled_ = on; }

  /** From working to waiting. Returns how long to rest first, ns; 0: not tired. */
  int64_t before_wait(int64_t now_ns) {
    busy_ns_ = std::min(busy_ns_ + std::max<int64_t>(0, now_ns - since_ns_), kBusyMaxNs * kRestsMax);
    since_ns_ = now_ns;
    return enabled_ && busy_ns_ >= kBusyMaxNs ? kRestNs * (busy_ns_ / kBusyMaxNs) : 0;
  }
  /** From waiting or resting to working. */
  void after_wait(int64_t now_ns) {
    constexpr int64_t kRecovery = kBusyMaxNs / kRestNs;
    busy_ns_ = std::max<int64_t>(0, busy_ns_ - std::max<int64_t>(0, now_ns - since_ns_) * kRecovery);
    since_ns_ = now_ns;
  }

 private:
  /** One long command (ten thousand intents) is no flood: it is not made up for by a long silence. */
  static constexpr int64_t kRestsMax = 2;
  bool enabled_ = false;
  int64_t busy_ns_ = 0;
  int64_t since_ns_ = 0;
};

}  // namespace vipd
