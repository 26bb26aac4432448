// Small pieces of Linux that everything here needs: an owned descriptor, CLOCK_BOOTTIME, errno names.
// Never throws; descriptors close themselves.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vipd {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/** CLOCK_BOOTTIME in ns: it goes on while the machine sleeps, so a lease does not outlive a suspend. */
int64_t boot_ns();

/** "ENETDOWN". */
std::string errno_name(int code);

/** Wakes an eventfd; safe from any thread. */
void signal_event(int fd);
void drain_event(int fd);
/** Arms a CLOCK_BOOTTIME timerfd for an absolute instant; INT64_MAX disarms it. */
void arm_timer(int fd, int64_t at_ns);

/**
 * Puts the calling thread before ordinary load, but never before the control plane: one real-time rank below a process that
 * has one, else SCHED_FIFO 1 where allowed. Returns true when it now ranks above an ordinary control plane.
 */
bool raise_own_scheduling();
/** Whether the calling thread is under SCHED_FIFO or SCHED_RR. */
bool is_real_time();
/** execve(2) with this process's environment: another program under the same pid. Returns only on failure, with errno. */
int become(const std::string& program, const std::vector<std::string>& arguments);
/**
 * Whatever the calling thread executes from now on has no capability and can get none; the process itself keeps what it has.
 * It takes prctl(2) alone: capset(2) need not be allowed. Returns 0 or an errno.
 */
int execute_without_capabilities();
/** Sleeps. */
void rest_ns(int64_t ns);

}  // namespace vipd
