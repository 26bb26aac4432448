// See lease_keeper.h.
#include "addon/lease_keeper.h"

#include <sys/timerfd.h>

#include <cerrno>

namespace vipd {

int LeaseKeeper::keep(Napi::Env env, const Renewal& renewal) {
  if (watch_ == nullptr) {
    timer_ = Fd(::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!timer_.valid()) return errno;
    LoopWatch::start(env, timer_.get(), watch_, [this](int) { due(); });
    watch_->unref();
  }
  renewal_ = renewal;
  arm_timer(timer_.get(), boot_ns() + renewal_.every_ns);
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
  if (now >= renewal_.ends_at_ns || !lease_.alive(now)) return;
  if (lease_.extend(now + renewal_.by_ns)) on_wanted_();
  arm_timer(timer_.get(), now + renewal_.every_ns);
}

}  // namespace vipd
