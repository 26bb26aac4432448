// When questions are limited, how the limit finds what can be answered, and when it goes.
#include "check.h"
#include "decision/flood.h"

namespace vipd::test {
namespace {

constexpr int64_t kWindow = Flood::kWindowNs;

Flood limited() {
  Flood flood;
  flood.after({kWindow, 2'000, 40'000, 0});
  return flood;
}

}  // namespace

void floods() {
  Flood flood;
  check("a busy minute that is answered is no flood", flood.after({kWindow, 20'000, 3'000, 0}) == 0);
  check("a burst that overflows the ring once is no flood", flood.after({kWindow, 500, 1'999, 0}) == 0);
  check("more lost than answered is", flood.after({kWindow, 2'000, 40'000, 0}) == Flood::kLimitFirst);

  flood = limited();
  check("where much is still lost, less is let in", flood.after({kWindow, 2'000, 10'000, 30'000}) == Flood::kLimitFirst * 3 / 4);
  check("but not less than is answered", flood.after({kWindow, 11'000, 4'000, 30'000}) == 110'000 * 5 / 4);
  for (int i = 0; i < 50; i++) flood.after({kWindow, 10, 10'000, 30'000});
  check("there is a least limit", flood.limit() == Flood::kLimitMin);
  flood.after({kWindow, 3'000, 0, 30'000});
  check("one good window does not raise it", flood.limit() == Flood::kLimitMin);
  flood.after({kWindow, 3'000, 500, 30'000});
  check("two do", flood.limit() == Flood::kLimitMin + Flood::kLimitMin / 8);

  flood = limited();
  for (int i = 1; i < Flood::kCalmWindows; i++) flood.after({kWindow, 100, 0, 0});
  check("it stays while the flood may only draw breath", flood.limit() == Flood::kLimitFirst);
  check("and goes after two calm seconds", flood.after({kWindow, 100, 0, 0}) == 0);
  flood = limited();
  flood.reset();
  check("one that could not be set is none", flood.limit() == 0);
}

}  // namespace vipd::test
