// The order of rounds and their pacing, with time as an argument.
#include "check.h"
#include "decision/announcements.h"
#include "decision/lookout.h"
#include "decision/stint.h"

namespace vipd::test {

void announcements() {
  const auto list = [](const char* address) {
    return std::make_shared<const std::vector<Announced>>(std::vector<Announced>{{ip(address), 1}});
  };
  Announcements queue;
  queue.add(list("10.7.0.1"), {0, 1000}, true);
  queue.add(list("10.7.0.2"), {0, 1000}, true);
  queue.add(list("10.7.0.3"), {2000}, true);
  std::string order;
  while (Round* round = queue.current(2000)) {
    order += to_text((*round->addresses)[0].address).substr(7) + "/" + std::to_string(round->number) + " ";
    queue.finish(round);
  }
  check("the first round of all goes before the second of any, however late", order == "1/1 2/1 3/1 1/2 2/2 ");
  queue.add(list("10.7.0.1"), {500}, true);
  check("a round that is not due waits", queue.current(499) == nullptr && queue.next_due_ns() == 500);
  check("a round that is due goes", queue.current(500) != nullptr);
  const std::vector<int64_t> many(Announcements::kRoundsMax, 0);
  check("the queue is bounded", !queue.add(list("10.7.0.1"), many, true));
  const auto frames = [](uint32_t number, const char* address) {
    Round round;
    round.number = number;
    return round.frames_for(ip(address));
  };
  check("an IPv4 address is said by a pair of frames", frames(1, "10.7.0.1") == 2 && frames(kRefreshRound, "10.7.0.1") == 2);
  check("an IPv6 address once at first and when refreshed, twice in later rounds",
        frames(1, "fd00::1") == 1 && frames(2, "fd00::1") == 2 && frames(kRefreshRound, "fd00::1") == 1);

  Pacer pacer(1000);
  int sent = 0;
  for (int64_t now = 0; now < kNsPerS; now += kNsPerMs) {
    while (pacer.take(2, now)) sent += 2;
  }
  check("1000 frames a second are 1000 frames a second, give or take a burst", sent >= 990 && sent <= 1012);
  Pacer slow(1);
  check("even one frame a second lets a pair go", slow.take(2, 0) && !slow.take(2, kNsPerS));
  check("and tells when the next pair may", slow.ready_at(2, kNsPerS) == 2 * kNsPerS);

  Stint stint;
  stint.after_wait(0);
  check("an ordinary thread is never sent to rest", stint.before_wait(kNsPerS) == 0);
  stint = Stint{};
  stint.enable(true);
  stint.after_wait(0);
  check("a real-time one works on while it is not tired", stint.before_wait(Stint::kBusyMaxNs - 1) == 0);
  int64_t now = Stint::kBusyMaxNs;
  int64_t rested = 0;
  while (now < kNsPerS) {
    const int64_t rest = stint.before_wait(now);
    rested += rest;
    now += rest;
    stint.after_wait(now);
    now += kNsPerMs / 5;
  }
  check("under a flood it leaves a tenth of the core to others", rested > kNsPerS / 12 && rested < kNsPerS / 8);
  stint.after_wait(now += kNsPerS);
  check("after a quiet second it is fresh", stint.before_wait(now + Stint::kBusyMaxNs - 1) == 0);

  Lookout lookout;
  check("who was not woken by frames does not look", lookout.patience_ns() == 0);
  lookout.slept(kNsPerS, true);
  lookout.slept(kNsPerS, true);
  check("questions that come seldom begin no looking", lookout.patience_ns() == 0);
  for (int i = 0; i < Lookout::kShortSleepsMin; i++) lookout.slept(50'000, true);
  check("questions that follow each other closely do", lookout.patience_ns() == Lookout::kLookNs);
  lookout.slept(10'000, false);
  check("what else wakes the thread does not end it", lookout.patience_ns() != 0);
  lookout.looked(Lookout::kLookNs, false);
  check("one look in vain does", lookout.patience_ns() == 0);
  int64_t looked = 0;
  int64_t slept = 0;
  while (looked + slept < kNsPerS) {
    const bool looks = lookout.patience_ns() > 0;
    if (looks) lookout.looked(30'000, true);
    lookout.slept(looks ? 0 : 50'000, true);
    (looks ? looked : slept) += looks ? 30'000 : 50'000;
  }
  check("looking has its bound, however closely they come", looked < slept * 4 + Lookout::kCreditMaxNs && looked > slept);
}

}  // namespace vipd::test
