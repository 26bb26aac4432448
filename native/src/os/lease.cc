// See lease.h.
#include "os/lease.h"

#include "os/sys.h"

namespace vipd {

bool Lease::extend(int64_t until_ns) {
  const int64_t now = boot_ns();
  const int64_t before = until_ns_.exchange(until_ns, std::memory_order_acq_rel);
  if (until_ns <= now) return false;
  const bool missed = before > 0 && before <= now;
  if (missed) missed_lapse_.store(true, std::memory_order_release);
  return wake_wanted_.exchange(false, std::memory_order_acq_rel) || missed;
}

}  // namespace vipd
