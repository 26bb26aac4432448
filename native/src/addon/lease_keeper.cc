// See lease_keeper.h.
#include "addon/lease_keeper.h"

#include <sys/timerfd.h>

#include <cerrno>

namespace vipd {

int LeaseKeeper::keep(Napi::Env env, int64_t until_ns, const Renewal& renewal) {
  if (watch_ == nullptr) {
    timer_ = Fd(::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!timer_.valid()) return errno;
    LoopWatch::start(env, timer_.get(), watch_, [this](int) { due(); });
    watch_->unref();
  }
  renewal_ = renewal;
  // From when it was extended: the turn that did may have taken long.
  arm_timer(timer_.get(), until_ns - renewal_.by_ns + renewal_.every_ns);
  return 0;
}

void LeaseKeeper::pause() {
  renewal_ = {};
  if (watch_ != nullptr) arm_timer(timer_.get(), INT64_MAX);
}

void LeaseKeeper::stop() {
  if (watch_ != nullptr) watch_->close();
  timer_.reset();
}

void LeaseKeeper::due() {
  drain_event(timer_.get());
  const int64_t now = boot_ns();
  // Told to pause, with this wake-up under way.
  if (renewal_.by_ns == 0) return;
  if (now >= renewal_.ends_at_ns || !lease_.alive(now)) {
    pause();
    handlers_.on_end();
    return;
  }
  if (lease_.extend(now + renewal_.by_ns)) handlers_.on_wanted();
  arm_timer(timer_.get(), now + renewal_.every_ns);
}

}  // namespace vipd
