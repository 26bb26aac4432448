// The queue of announcements of one interface, and its pacing. Pure: time is an argument, frames are somebody else's.
// Law: the first round of all addresses goes out before the second round of any; no round begins anew.
#pragma once

#include <deque>
#include <limits>
#include <memory>
#include <vector>

#include "packets/address.h"

namespace vipd {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kNsPerS = 1'000'000'000;

/** A token bucket in frames. `burst` frames may go at once, then `per_second`. */
class Pacer {
 public:
  explicit Pacer(double per_second) { set_rate(per_second); }
  void set_rate(double per_second);
  bool take(double frames, int64_t now_ns);
  /** When `frames` tokens will be there. */
  int64_t ready_at(double frames, int64_t now_ns) const;

 private:
  double tokens_at(int64_t now_ns) const;
  double per_second_ = 0;
  double burst_ = 0;
  double tokens_ = 0;
  int64_t at_ns_ = 0;
  bool started_ = false;
};

struct Announced {
  Ip address;
  /** Entry::epoch when it was queued. */
  uint32_t epoch;
};

/** One round over a list of addresses. */
struct Round {
  /** From 1. Refreshes use kRefreshRound: after everything else. */
  uint32_t number = 1;
  int64_t due_ns = 0;
  /** Tell JavaScript when it is out. */
  bool report = false;
  std::shared_ptr<const std::vector<Announced>> addresses;
  size_t cursor = 0;
  std::vector<Ip> sent;

  /**
   * IPv4: a request and a reply, since some hear only one of the two. IPv6: one advertisement in the first round, which should
   * reach all addresses soon, and two in each later one, since on a lossy segment a rival that hears none of them answers on.
   */
  int frames_for(const Ip& address) const;
};

constexpr uint32_t kRefreshRound = 1000;

class Announcements {
 public:
  /** Rounds waiting at most: more are refused (counted by the caller), the oldest stay. */
  static constexpr size_t kRoundsMax = 65536;

  bool add(std::shared_ptr<const std::vector<Announced>> addresses, const std::vector<int64_t>& due_ns, bool report,
           uint32_t first_number = 1);
  /** The round to send from now: the lowest number among those due, the oldest first. Null: none is due. */
  Round* current(int64_t now_ns);
  /** Takes the finished round out. */
  Round finish(Round* round);
  /** When the next round is due, or kNever. */
  int64_t next_due_ns() const;
  bool empty() const { return rounds_.empty(); }
  void clear() { rounds_.clear(); }

 private:
  std::deque<Round> rounds_;
};

}  // namespace vipd
