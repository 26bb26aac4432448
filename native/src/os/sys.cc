// See sys.h.
#include "os/sys.h"

#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>

namespace vipd {

int64_t boot_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string errno_name(int code) {
  const char* name = strerrorname_np(code);
  return name != nullptr ? name : "errno " + std::to_string(code);
}

void signal_event(int fd) {
  const uint64_t one = 1;
  // EAGAIN: the counter is full, so the thread is woken already.
  while (::write(fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void drain_event(int fd) {
  uint64_t count;
  // EAGAIN: nothing to drain. EINTR: epoll reports it again.
  [[maybe_unused]] const ssize_t got = ::read(fd, &count, sizeof count);
}

void arm_timer(int fd, int64_t at_ns) {
  itimerspec spec{};
  if (at_ns != std::numeric_limits<int64_t>::max()) {
    // 0 would disarm; the past fires at once.
    const int64_t at = at_ns < 1 ? 1 : at_ns;
    spec.it_value.tv_sec = at / 1'000'000'000;
    spec.it_value.tv_nsec = at % 1'000'000'000;
  }
  timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, nullptr);
}

bool is_real_time() {
  const int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
  return policy == SCHED_FIFO || policy == SCHED_RR;
}

int become(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  return errno;
}

int execute_without_capabilities() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  // A unit's AmbientCapabilities= are what a program of an ordinary user inherits.
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno;
  if (getuid() != 0 && geteuid() != 0) return 0;
  // Root's programs get all there are for being root's, unless this says no.
  const int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  if (bits < 0) return errno;
  const int wanted = bits | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED;
  return bits == wanted || prctl(PR_SET_SECUREBITS, wanted, 0, 0, 0) == 0 ? 0 : errno;
}

bool raise_own_scheduling() {
  sched_param param{};
  if (is_real_time()) {
    // Inherited from the unit: one below, so that a flood of questions cannot hold up the thread that keeps the lease. Not by
    // sched_setscheduler, which RestrictRealtime=yes forbids for a real-time policy, even one that is there already.
    if (sched_getparam(0, &param) != 0 || param.sched_priority <= 1) return false;
    param.sched_priority--;
    sched_setparam(0, &param);
    return false;
  }
  // The least real-time priority: before all ordinary load, behind whatever the operator ranked himself.
  param.sched_priority = 1;
  // EPERM: not allowed here; the lease keeps a late thread honest.
  return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) == 0;
}

void rest_ns(int64_t ns) {
  const timespec pause{ns / 1'000'000'000, ns % 1'000'000'000};
  // EINTR cannot come (signals are blocked); a rest cut short would do no harm.
  clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
}

}  // namespace vipd
