// See address_holder.h.
#include "os/address_holder.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

namespace vipd {
namespace {

constexpr int64_t kRenewNs = 20'000'000'000;
/** A missing address that could not be put back (lo is down, say) is tried again after this. */
constexpr int64_t kRetryNs = 1'000'000'000;
/** Renewals in one go: the kernel's address lock is the whole host's. More are spread over the period. */
constexpr size_t kRenewBatch = 256;
/** Removals in one go: with ten thousand IPv6 addresses the kernel takes more than a millisecond for each. */
constexpr size_t kRemoveBatch = 16;

}  // namespace

int AddressHolder::start() {
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  timer_ = Fd(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll_.valid() || !wake_.valid() || !timer_.valid()) return errno;
  if (const int error = lo_.open()) return error;
  if (const int error = monitor_.open({RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR}, false)) return error;
  for (const int fd : {wake_.get(), timer_.get(), monitor_.fd()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return errno;
  }
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return 0;
}

void AddressHolder::stop() {
  stopping_ = true;
  if (!thread_.joinable()) return;
  wake();
  thread_.join();
}

bool AddressHolder::request(uint32_t id, Action action, std::vector<Ip> addresses) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (requests_.size() >= kRequestsMax) return false;
    requests_.push_back({id, action, std::move(addresses)});
  }
  wake();
  return true;
}

void AddressHolder::run() {
  pthread_setname_np(pthread_self(), "vipd-addresses");
  std::array<epoll_event, 4> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    bool changes = false;
    for (int i = 0; i < count; i++) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == monitor_.fd()) changes = true;
      else drain_event(fd);
    }
    handle_requests();
    if (changes) read_changes();
    const int64_t now = boot_ns();
    if (now >= renew_ns_ || (overdue_ && lease_.alive(now))) renew(now);
    if (now >= retry_ns_) retry_missing();
    rearm(now);
  }
  for (const Removal& removal : removals_) outbox_.complete({removal.id, "ECANCELED: the address holder stopped", {}, {}});
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Request& request : requests_) outbox_.complete({request.id, "ECANCELED: the address holder stopped", {}, {}});
  requests_.clear();
}

bool AddressHolder::take_request(Request& request) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (requests_.empty()) return false;
  request = std::move(requests_.front());
  requests_.pop_front();
  return true;
}

void AddressHolder::handle_requests() {
  Request request;
  while (!stopping_) {
    if (take_request(request)) {
      switch (request.action) {
        case Action::kHold: hold(request); break;
        case Action::kDrop: begin_drop(request); break;
        case Action::kSweep: begin_sweep(request); break;
      }
    } else if (!removals_.empty()) {
      remove_slice();
    } else {
      return;
    }
  }
}

void AddressHolder::set_held(const Ip& ip, Held held) {
  Held& slot = held_[ip];
  missing_count_ += (held.missing ? 1 : 0) - (slot.missing ? 1 : 0);
  slot = held;
}

void AddressHolder::forget(std::map<Ip, Held>::iterator it) {
  if (it->second.missing) missing_count_--;
  held_.erase(it);
}

void AddressHolder::hold(const Request& request) {
  std::vector<Ip> wanted;
  for (const Ip& ip : request.addresses) {
    const auto it = held_.find(ip);
    if (it == held_.end() || it->second.missing) wanted.push_back(ip);
  }
  const std::vector<int> errors = lo_.apply(LoAddresses::Mode::kAdd, wanted);
  std::unordered_map<Ip, uint8_t, IpHash> present;
  bool listed = false;
  Completion done{request.id, "", {}, {}};
  std::vector<Ip> renewed;
  for (size_t i = 0; i < wanted.size(); i++) {
    int error = errors[i];
    bool foreign = false;
    if (error == EEXIST || error == EIO) {
      // There already (or the answer was lost): ours from before, or somebody else's, which we leave alone.
      if (!listed) lo_.list(present);
      listed = true;
      const auto it = present.find(wanted[i]);
      if (it != present.end()) error = 0;
      foreign = it != present.end() && it->second != kAddressProtocol;
      if (it != present.end() && !foreign) renewed.push_back(wanted[i]);
    }
    if (error == 0) set_held(wanted[i], Held{foreign, false});
    else if (done.error.empty()) done.error = errno_name(error) + ": cannot put " + to_text(wanted[i]) + " on lo";
  }
  if (!renewed.empty()) lo_.apply(LoAddresses::Mode::kRenew, renewed);
  // Held is what the kernel delivers to (law 6); one that it does not get ready in time is announced all the same.
  if (done.error.empty()) lo_.await_delivery(wanted);
  if (renew_ns_ == INT64_MAX && !held_.empty()) renew_ns_ = boot_ns() + kRenewNs;
  outbox_.complete(std::move(done));
}

void AddressHolder::begin_drop(const Request& request) {
  Removal removal{request.id, {}, false, {}, ""};
  for (const Ip& ip : request.addresses) {
    const auto it = held_.find(ip);
    if (it == held_.end()) continue;
    if (!it->second.foreign && !it->second.missing) removal.left.push_back(ip);
    // Forgotten first: its RTM_DELADDR is our own doing.
    forget(it);
  }
  if (held_.empty()) renew_ns_ = INT64_MAX;
  removals_.push_back(std::move(removal));
}

void AddressHolder::begin_sweep(const Request& request) {
  std::unordered_map<Ip, uint8_t, IpHash> present;
  Removal removal{request.id, {}, true, {}, ""};
  if (const int error = lo_.list(present)) removal.error = errno_name(error) + ": cannot list the addresses of lo";
  for (const auto& [ip, protocol] : present) {
    if (protocol == kAddressProtocol && held_.count(ip) == 0) removal.left.push_back(ip);
  }
  removals_.push_back(std::move(removal));
}

void AddressHolder::remove_slice() {
  Removal& removal = removals_.front();
  std::vector<Ip> slice;
  while (!removal.left.empty() && slice.size() < kRemoveBatch) {
    // Held anew since: it stays.
    if (held_.count(removal.left.back()) == 0) slice.push_back(removal.left.back());
    removal.left.pop_back();
  }
  const std::vector<int> errors = lo_.apply(LoAddresses::Mode::kRemove, slice);
  for (size_t i = 0; i < slice.size(); i++) {
    // EADDRNOTAVAIL: gone already. EIO: the acknowledgement was lost; removing once more settles it.
    int error = errors[i];
    if (error == EIO) error = lo_.apply(LoAddresses::Mode::kRemove, {slice[i]})[0];
    if (error == 0 && removal.tell) removal.removed.push_back(to_text(slice[i]));
    if (error == 0 || error == EADDRNOTAVAIL || !removal.error.empty()) continue;
    removal.error = errno_name(error) + ": cannot take " + to_text(slice[i]) + " off lo";
  }
  if (!removal.left.empty()) return;
  outbox_.complete({removal.id, std::move(removal.error), std::move(removal.removed), {}});
  removals_.pop_front();
}

void AddressHolder::read_changes() {
  std::vector<Ip> gone;
  bool elsewhere = false;
  const int error = monitor_.receive([&](const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_DELADDR && message.nlmsg_type != RTM_NEWADDR) return;
    Ip ip;
    int index = 0;
    uint8_t protocol = 0;
    if (!parse_address(message, ip, index, protocol)) return;
    if (index != lo_.lo_index()) elsewhere = true;
    if (index != lo_.lo_index() || message.nlmsg_type != RTM_DELADDR) return;
    const auto it = held_.find(ip);
    if (it == held_.end() || it->second.missing) return;
    set_held(ip, Held{it->second.foreign, true});
    gone.push_back(ip);
  });
  if (!gone.empty()) restore(gone, true);
  // ENOBUFS: changes were lost, so look at all that we hold.
  if (error == ENOBUFS) verify_all();
  if (!elsewhere && error != ENOBUFS) return;
  Event event{};
  event.kind = Event::Kind::kAddresses;
  outbox_.post(std::move(event));
}

void AddressHolder::verify_all() {
  std::unordered_map<Ip, uint8_t, IpHash> present;
  if (lo_.list(present) != 0) return;
  std::vector<Ip> gone;
  for (const auto& [ip, held] : held_) {
    if (held.missing || present.count(ip) != 0) continue;
    gone.push_back(ip);
  }
  for (const Ip& ip : gone) set_held(ip, Held{false, true});
  if (!gone.empty()) restore(gone, true);
}

void AddressHolder::restore(const std::vector<Ip>& gone, bool deleted_by_others) {
  // Without a lease it ran out by itself, as it should; it comes back when the lease does.
  const bool alive = lease_.alive(boot_ns());
  if (!alive) lease_.want_wake();
  std::vector<int> errors(gone.size(), ECANCELED);
  if (alive) errors = lo_.apply(LoAddresses::Mode::kAdd, gone);
  for (size_t i = 0; i < gone.size(); i++) {
    const bool restored = errors[i] == 0 || errors[i] == EEXIST;
    if (restored) set_held(gone[i], Held{});
    // There after all: the message told of an older removal, our own before we held it again.
    if (errors[i] == EEXIST) continue;
    if (deleted_by_others || restored) post_removed(gone[i], restored);
  }
}

void AddressHolder::renew(int64_t now_ns) {
  // The control plane has stalled: what is on lo runs out with its valid_lft (law 2).
  if (!lease_.alive(now_ns)) {
    renew_ns_ = now_ns + kRenewNs;
    overdue_ = true;
    lease_.want_wake();
    return;
  }
  if (overdue_) {
    overdue_ = false;
    renewed_up_to_ = Ip{};
    for (size_t done = 0; done < held_.size(); done += kRenewBatch) renew_batch();
  } else {
    renew_batch();
  }
  // Every address once in the period, a batch at a time.
  const int64_t batches = static_cast<int64_t>((held_.size() + kRenewBatch - 1) / kRenewBatch);
  renew_ns_ = now_ns + kRenewNs / std::max<int64_t>(1, batches);
}

void AddressHolder::renew_batch() {
  std::vector<Ip> batch;
  auto it = held_.upper_bound(renewed_up_to_);
  if (it == held_.end()) it = held_.begin();
  for (; it != held_.end() && batch.size() < kRenewBatch; ++it) {
    if (!it->second.missing && !it->second.foreign) batch.push_back(it->first);
    renewed_up_to_ = it->first;
  }
  const std::vector<int> errors = lo_.apply(LoAddresses::Mode::kRenew, batch);
  for (size_t i = 0; i < batch.size(); i++) {
    if (errors[i] == 0) continue;
    Event event{};
    event.kind = Event::Kind::kTrouble;
    event.interface = "lo";
    event.address = to_text(batch[i]);
    event.error = errno_name(errors[i]);
    event.message = event.error + ": lo, " + event.address + ": cannot renew its lifetime";
    outbox_.post(std::move(event));
    return;
  }
}

void AddressHolder::retry_missing() {
  retry_ns_ = INT64_MAX;
  std::vector<Ip> missing;
  for (const auto& [ip, held] : held_) {
    if (held.missing) missing.push_back(ip);
  }
  if (!missing.empty()) restore(missing, false);
}

void AddressHolder::rearm(int64_t now_ns) {
  if (missing_count_ == 0) retry_ns_ = INT64_MAX;
  else if (!lease_.alive(now_ns)) waits_for_lease_ = true;
  else if (retry_ns_ == INT64_MAX) retry_ns_ = now_ns + (std::exchange(waits_for_lease_, false) ? 0 : kRetryNs);
  if (waits_for_lease_) lease_.want_wake();
  arm_timer(timer_.get(), std::min(renew_ns_, retry_ns_));
}

void AddressHolder::post_removed(const Ip& ip, bool restored) {
  Event event{};
  event.kind = Event::Kind::kAddressRemoved;
  event.address = to_text(ip);
  event.flag = restored;
  outbox_.post(std::move(event));
}

}  // namespace vipd
