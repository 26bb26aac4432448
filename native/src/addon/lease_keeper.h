// Extends the lease on node's event loop, without JavaScript: a wake-up of the interpreter for nothing else is the dearest thing
// that an idle daemon does. A loop that stands still extends nothing, and a lease that ran out is not revived. JavaScript thread only.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>

#include "addon/loop.h"
#include "os/lease.h"
#include "os/sys.h"

namespace vipd {

/** Each `every_ns`, to `by_ns` from then; at and after `ends_at_ns` no more. */
struct Renewal {
  int64_t by_ns;
  int64_t every_ns;
  int64_t ends_at_ns;
};

class LeaseKeeper {
 public:
  /** `on_wanted`: threads wait for the extension. */
  LeaseKeeper(Lease& lease, std::function<void()> on_wanted) : lease_(lease), on_wanted_(std::move(on_wanted)) {}
  ~LeaseKeeper() { stop(); }

  /** From now on, instead of what was said before. Returns 0 or an errno. */
  int keep(Napi::Env env, const Renewal& renewal);
  /** Until `keep` is called again. */
  void pause();
  /** Lets go of the loop. Idempotent. */
  void stop();

 private:
  void due();

  Lease& lease_;
  std::function<void()> on_wanted_;
  Renewal renewal_{};
  Fd timer_;
  LoopWatch* watch_ = nullptr;
};

}  // namespace vipd
