// Rounds in order, and a token bucket. Pure.
#include "decision/announcements.h"

#include <algorithm>
#include <cmath>

namespace vipd {

void Pacer::set_rate(double per_second) {
  per_second_ = std::max(per_second, 1.0);
  // 10 ms worth of frames: few wake-ups, and no burst that a switch's policer would take for a flood. At least one pair.
  burst_ = std::max(2.0, per_second_ / 100);
  tokens_ = std::min(tokens_, burst_);
}

double Pacer::tokens_at(int64_t now_ns) const {
  if (!started_) return burst_;
  const double elapsed_s = static_cast<double>(std::max<int64_t>(0, now_ns - at_ns_)) / kNsPerS;
  return std::min(burst_, tokens_ + elapsed_s * per_second_);
}

bool Pacer::take(double frames, int64_t now_ns) {
  const double tokens = tokens_at(now_ns);
  if (tokens + 1e-6 < frames) return false;
  started_ = true;
  tokens_ = tokens - frames;
  at_ns_ = now_ns;
  return true;
}

int64_t Pacer::ready_at(double frames, int64_t now_ns) const {
  const double missing = frames - tokens_at(now_ns);
  if (missing <= 0) return now_ns;
  return now_ns + static_cast<int64_t>(std::ceil(missing / per_second_ * kNsPerS));
}

int Round::frames_for(const Ip& address) const {
  const bool once = !address.is_v4() && (number == 1 || number >= kRefreshRound);
  return once ? 1 : 2;
}

bool Announcements::add(std::shared_ptr<const std::vector<Announced>> addresses, const std::vector<int64_t>& due_ns,
                        bool report, uint32_t first_number) {
  if (addresses->empty()) return true;
  if (rounds_.size() + due_ns.size() > kRoundsMax) return false;
  for (size_t i = 0; i < due_ns.size(); i++) {
    Round round;
    round.number = first_number + static_cast<uint32_t>(i);
    round.due_ns = due_ns[i];
    round.report = report;
    round.addresses = addresses;
    rounds_.push_back(std::move(round));
  }
  return true;
}

Round* Announcements::current(int64_t now_ns) {
  Round* best = nullptr;
  for (Round& round : rounds_) {
    if (round.due_ns > now_ns) continue;
    // Within one number a round that has begun goes on first: they are in the order of their adding.
    if (best == nullptr || round.number < best->number) best = &round;
  }
  return best;
}

Round Announcements::finish(Round* round) {
  const auto it = std::find_if(rounds_.begin(), rounds_.end(), [round](const Round& r) { return &r == round; });
  Round done = std::move(*it);
  rounds_.erase(it);
  return done;
}

int64_t Announcements::next_due_ns() const {
  int64_t due = kNever;
  for (const Round& round : rounds_) due = std::min(due, round.due_ns);
  return due;
}

}  // namespace vipd
