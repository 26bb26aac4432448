// Whether to go on looking at the rings for a moment before going to sleep. Waking a thread costs more than answering does, so
// where questions follow each other closely it pays to look; where they do not, it never begins. Pure: time is an argument.
// It bounds itself: no more than four fifths of the time are spent looking, however closely the questions come.
#pragma once

#include <algorithm>
#include <cstdint>

namespace vipd {

class Lookout {
 public:
  /** How long one look may last. */
  static constexpr int64_t kLookNs = 100'000;
  /** A sleep that a frame ended this soon would have been worth a look (it contains the waking, which a look saves). */
  static constexpr int64_t kShortSleepNs = 120'000;
  /** So many in a row begin it. */
  static constexpr int kShortSleepsMin = 2;
  static constexpr int64_t kCreditMaxNs = 1'000'000;

  /** How long to look before the next sleep; 0: not at all. */
  int64_t patience_ns() const { return short_sleeps_ >= kShortSleepsMin && credit_ns_ >= kLookNs ? kLookNs : 0; }
  /** A look is over. One in vain ends the habit. */
  void looked(int64_t ns, bool found) {
    credit_ns_ -= std::max<int64_t>(0, ns);
    if (!found) short_sleeps_ = 0;
  }
  /** A sleep is over, or what stood for it after a look. */
  void slept(int64_t ns, bool by_frame) {
    // Four for one: what was slept may be looked four times over.
    credit_ns_ = std::min(kCreditMaxNs, credit_ns_ + std::clamp<int64_t>(ns, 0, kCreditMaxNs) * 4);
    if (!by_frame) return;
    short_sleeps_ = ns < kShortSleepNs ? std::min(short_sleeps_ + 1, kShortSleepsMin) : 0;
  }

 private:
  int short_sleeps_ = 0;
  int64_t credit_ns_ = 0;
};

}  // namespace vipd
