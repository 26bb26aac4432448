// See groups.h.
#include "os/groups.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <csignal>

namespace vipd {
namespace {

ipv6_mreq membership(int interface_index, const Ip& group) {
  ipv6_mreq request{};
  std::memcpy(&request.ipv6mr_multiaddr, group.bytes.data(), 16);
  request.ipv6mr_interface = static_cast<unsigned>(interface_index);
  return request;
}

/** Every join sends a report: a switch's CPU reads them, so thousands go at 2 000 a second. */
constexpr size_t kJoinBatch = 50;
constexpr std::chrono::milliseconds kJoinPause{25};

}  // namespace

int Groups::join(const Ip& group) {
  const ipv6_mreq request = membership(index_, group);
  for (size_t i = 0;; i++) {
    if (i == sockets_.size()) {
      Socket socket;
      socket.fd = Fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      if (!socket.fd.valid()) return errno;
      sockets_.push_back(std::move(socket));
    }
    Socket& socket = sockets_[i];
    if (socket.full) continue;
    if (setsockopt(socket.fd.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request) == 0) {
      socket.joined++;
      joined_[group] = i;
      return 0;
    }
    const int error = errno;
    // ENOBUFS, ENOMEM: this socket's optmem is used up; the next one has its own. An empty one that refuses is hopeless.
    if ((error != ENOBUFS && error != ENOMEM) || socket.joined == 0) return error;
    socket.full = true;
  }
}

void Groups::leave(const Ip& group, size_t at) {
  const ipv6_mreq request = membership(index_, group);
  // ENODEV and the like: the interface is gone, and with it the membership.
  setsockopt(sockets_[at].fd.get(), IPPROTO_IPV6, IPV6_LEAVE_GROUP, &request, sizeof request);
  sockets_[at].joined--;
  sockets_[at].full = false;
  joined_.erase(group);
}

int Groups::follow(const std::set<Ip>& wanted, const std::function<bool()>& superseded) {
  int first_error = 0;
  // Joins first: an heir must hear questions; a group too many costs a few frames.
  for (const Ip& group : wanted) {
    if (joined_.count(group) != 0) continue;
    if (superseded()) return first_error;
    const int error = join(group);
    if (first_error == 0) first_error = error;
  }
  for (auto it = joined_.begin(); it != joined_.end();) {
    const auto [group, at] = *it++;
    if (wanted.count(group) != 0) continue;
    if (superseded()) return first_error;
    leave(group, at);
  }
  return first_error;
}

void GroupJoiner::start() {
  if (thread_.joinable()) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void GroupJoiner::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void GroupJoiner::want(int interface_index, const std::string& name, const std::vector<Ip>& addresses) {
  Wanted wanted{name, {}};
  for (const Ip& ip : addresses) {
    if (!ip.is_v4()) wanted.groups.insert(solicited_node(ip));
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    wanted_[interface_index] = std::move(wanted);
  }
  changed_.notify_one();
}

bool GroupJoiner::superseded(int interface_index) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto answer = [&] { return stopping_ || wanted_.count(interface_index) != 0; };
  if (++steps_ % kJoinBatch == 0) changed_.wait_for(lock, kJoinPause, answer);
  return answer();
}

void GroupJoiner::run() {
  pthread_setname_np(pthread_self(), "vipd-groups");
  for (;;) {
    int index = 0;
    Wanted wanted;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !wanted_.empty(); });
      if (stopping_) break;
      index = wanted_.begin()->first;
      wanted = std::move(wanted_.begin()->second);
      wanted_.erase(wanted_.begin());
    }
    work_off(index, wanted);
  }
  groups_.clear();
}

void GroupJoiner::work_off(int interface_index, const Wanted& wanted) {
  if (wanted.groups.empty()) {
    groups_.erase(interface_index);
    return;
  }
  Groups& groups = groups_.try_emplace(interface_index, interface_index).first->second;
  const int first_error = groups.follow(wanted.groups, [&] { return superseded(interface_index); });
  // ENODEV: the interface went meanwhile; rtnetlink tells of it.
  if (first_error == 0 || first_error == ENODEV) return;
  Event event{};
  event.kind = Event::Kind::kTrouble;
  event.interface = wanted.name;
  event.error = errno_name(first_error);
  event.message = event.error + ": " + wanted.name + ": cannot join the solicited-node groups; a switch with MLD snooping may " +
                  "keep solicitations from us";
  outbox_.post(std::move(event));
}

}  // namespace vipd
