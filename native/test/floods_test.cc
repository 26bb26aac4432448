// When a flood begins, and when it is over.
#include "check.h"
#include "decision/flood.h"

namespace vipd::test {

void floods() {
  Flood flood;
  check("a busy minute that is answered is no flood", !flood.after(30'000, 0));
  check("a burst that overflows the ring once is no flood", !flood.after(10'000, Flood::kLostMin - 1));
  check("many lost in a window are", flood.after(10'000, Flood::kLostMin));
  check("it lasts though nothing is lost any more", flood.after(40'000, 0));
  for (int i = 1; i < Flood::kCalmWindows; i++) flood.after(Flood::kCalmMax, 0);
  check("and while it may only draw breath", flood.lasts());
  flood.after(Flood::kCalmMax, 1);
  check("one more question begins the calm anew", flood.after(0, 0));
  for (int i = 2; i < Flood::kCalmWindows; i++) flood.after(0, 0);
  check("after two calm seconds it is over", flood.lasts() && !flood.after(0, 0));
  check("and another begins like the first", !flood.after(10'000, 100) && flood.after(0, 50'000));
}

}  // namespace vipd::test
