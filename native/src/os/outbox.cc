// See outbox.h.
#include "os/outbox.h"

#include <utility>

namespace vipd {

template <typename Add>
void Outbox::add_and_wake(Add add) {
  bool wake = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    add();
    wake = !signalled_;
    signalled_ = true;
  }
  if (wake && wake_) wake_();
}

void Outbox::post(Event event) {
  add_and_wake([&] {
    if (batch_.events.size() >= kEventsMax) {
      batch_.lost++;
      dropped_++;
    } else {
      batch_.events.push_back(std::move(event));
    }
  });
}

void Outbox::complete(Completion completion) {
  add_and_wake([&] { batch_.completions.push_back(std::move(completion)); });
}

Batch Outbox::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  signalled_ = false;
  return std::exchange(batch_, Batch{});
}

uint64_t Outbox::events_dropped() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return dropped_;
}

}  // namespace vipd
