// What the threads tell the control plane: events (bounded, losses counted) and completions (one for each request,
// never lost). Copy in, copy out; the waker is called without the lock. It knows nothing of JavaScript.
#pragma once

#include <functional>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace vipd {

struct LinkState {
  std::string name;
  int index = 0;
  std::string mac;
  bool up = false;
  bool carrier = false;
  uint32_t mtu = 0;
  int master = 0;
  std::string master_name;
  std::string master_kind;

  bool operator==(const LinkState& o) const {
    return name == o.name && index == o.index && mac == o.mac && up == o.up && carrier == o.carrier && mtu == o.mtu &&
           master == o.master && master_name == o.master_name && master_kind == o.master_kind;
  }
};

struct Event {
  enum class Kind { kLink, kAddresses, kClaim, kAnnounced, kAddressRemoved, kStalled, kLeaseLapsed, kTrouble };
  Kind kind;
  LinkState link;
  std::string interface;
  std::string address;
  std::string mac;
  std::vector<std::string> addresses;
  uint32_t round = 0;
  /** kClaim: yielded. kAddressRemoved: restored. */
  bool flag = false;
  int64_t at_ns = 0;
  std::string error;
  std::string message;
};

struct Answer {
  std::string address;
  std::string mac;
  double after_ms;
};

struct Completion {
  uint32_t id;
  /** Empty: done. */
  std::string error;
  std::vector<std::string> addresses;
  std::vector<Answer> answers;
};

struct Batch {
  std::vector<Event> events;
  std::vector<Completion> completions;
  uint64_t lost = 0;
};

class Outbox {
 public:
  static constexpr size_t kEventsMax = 16384;

  /** Called, without any lock, when something is there to take. Set before the threads start; empty it after they ended. */
  void on_ready(std::function<void()> wake) { wake_ = std::move(wake); }
  void post(Event event);
  void complete(Completion completion);
  Batch take();
  uint64_t events_dropped() const;

 private:
  template <typename Add>
  void add_and_wake(Add add);
  mutable std::mutex mutex_;
  Batch batch_;
  uint64_t dropped_ = 0;
  bool signalled_ = false;
  std::function<void()> wake_;
};

}  // namespace vipd
