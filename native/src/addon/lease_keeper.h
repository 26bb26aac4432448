// Extends the lease on node's event loop, without JavaScript: a wake-up of the interpreter for nothing else is the dearest thing
// that an idle daemon does. A loop that stands still extends nothing, and a lease that ran out is not revived: the control plane is
// told. JavaScript thread only.
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
  struct Handlers {
    /** Threads wait for the extension. */
    std::function<void()> on_wanted;
    /** It came too late, or may not be made any more. */
    std::function<void()> on_end;
  };

  LeaseKeeper(Lease& lease, Handlers handlers) : lease_(lease), handlers_(std::move(handlers)) {}
  ~LeaseKeeper() { stop(); }

  /** From now on, instead of what was said before, a lease that ends at `until_ns`. Returns 0 or an errno. */
  int keep(Napi::Env env, int64_t until_ns, const Renewal& renewal);
  /** Until `keep` is called again. */
  void pause();
  /** Lets go of the loop. Idempotent. */
  void stop();

 private:
  void due();

  Lease& lease_;
  Handlers handlers_;
  Renewal renewal_{};
  Fd timer_;
  LoopWatch* watch_ = nullptr;
};

}  // namespace vipd
