// Whether a flood of questions is under way: more than can be answered, or than could be without help. Pure: a window's figures in.
#pragma once

#include <cstdint>

namespace vipd {

class Flood {
 public:
  static constexpr int64_t kWindowNs = 100'000'000;
  /** So many lost in a window are a flood; fewer are a crowd, which passes. */
  static constexpr uint64_t kLostMin = 2'000;
  /** As few questions in a window would be taken in on any machine. */
  static constexpr uint64_t kCalmMax = 1'000;
  /** Windows as calm in a row after which it is over: a flood may only draw breath. */
  static constexpr int kCalmWindows = 20;

  /** A window is over: frames that came in, and those that there was no room for. True while it lasts. */
  bool after(uint64_t received, uint64_t lost) {
    if (lost >= kLostMin) {
      lasts_ = true;
      calm_ = 0;
    } else if (lasts_) {
      calm_ = received + lost <= kCalmMax ? calm_ + 1 : 0;
      lasts_ = calm_ < kCalmWindows;
    }
    return lasts_;
  }
  bool lasts() const { return lasts_; }

 private:
  bool lasts_ = false;
  int calm_ = 0;
};

}  // namespace vipd
