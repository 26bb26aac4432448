// When a flood of questions keeps us from answering, and how much of it may come in. Pure: a window's figures in, a limit out.
// Since Linux 6.5 the kernel takes in whatever waits inside of each of our own transmissions; taking a question in costs it half of
// what an answer costs, and no packet socket can refuse one before that. So a limit pays where more is lost than answered.
#pragma once

#include <algorithm>
#include <cstdint>

namespace vipd {

class Flood {
 public:
  /** Questions a second that are let in at first, and in the worst case. What one core answers is found from there. */
  static constexpr uint64_t kLimitFirst = 200'000;
  static constexpr uint64_t kLimitMin = 30'000;
  static constexpr int64_t kWindowNs = 100'000'000;
  /** Fewer lost ones in a window are a crowd, which passes. */
  static constexpr uint64_t kLostMin = 2'000;
  /** Windows without a question beyond the limit after which it is lifted. */
  static constexpr int kCalmWindows = 20;
  /** Windows in a row without great loss after which more is let in. */
  static constexpr int kGoodWindows = 2;

  struct Window {
    int64_t ns;
    uint64_t answered;
    /** That the ring had no room for. */
    uint64_t lost;
    /** That the limit kept out. */
    uint64_t limited;
  };

  /** The limit from now on, questions a second; 0: none. */
  uint64_t after(const Window& window) {
    if (limit_ == 0) {
      if (window.lost >= kLostMin && window.lost > window.answered) limit_ = kLimitFirst;
      calm_ = good_ = 0;
    } else if (window.lost > window.answered / 4) {
      // Still too much. What was answered in spite of it is no measure of what could be, but a floor.
      const auto answered = static_cast<uint64_t>(static_cast<double>(window.answered) * 1e9 / static_cast<double>(std::max<int64_t>(1, window.ns)));
      limit_ = std::clamp(std::max(limit_ * 3 / 4, answered * 5 / 4), kLimitMin, limit_);
      calm_ = good_ = 0;
    } else {
      calm_ = window.limited == 0 ? calm_ + 1 : 0;
      if (calm_ >= kCalmWindows) limit_ = 0;
      // All that is let in is answered: try a little more.
      good_ = window.limited > 0 ? good_ + 1 : 0;
      if (good_ >= kGoodWindows) {
        limit_ += limit_ / 8;
        good_ = 0;
      }
    }
    return limit_;
  }
  uint64_t limit() const { return limit_; }
  /** It could not be set: as if there was none. */
  void reset() { limit_ = 0; }

 private:
  uint64_t limit_ = 0;
  int calm_ = 0;
  int good_ = 0;
};

}  // namespace vipd
