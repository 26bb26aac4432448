// The responder's frame: life cycle, command queue, event loop. What is done about frames, links and time lies beside.
#include "os/responder.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <cerrno>
#include <csignal>
#include <ctime>

namespace vipd {
namespace {

constexpr uint64_t kWakeKey = 1;
constexpr uint64_t kTimerKey = 2;
constexpr uint64_t kLinkKey = 3;

int watch_fd(int epoll, int fd, uint64_t key) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = key;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

}  // namespace

Responder::Responder(Lease& lease, Outbox& outbox, ResponderOptions options)
    : lease_(lease), outbox_(outbox), options_(options), joiner_(outbox), asker_(outbox), random_(static_cast<unsigned>(boot_ns())) {}

int Responder::start(uint32_t id) {
  start_id_ = id;
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  timer_ = Fd(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll_.valid() || !wake_.valid() || !timer_.valid()) return errno;
  if (const int error = monitor_.open()) return error;
  if (const int error = watch_fd(epoll_.get(), wake_.get(), kWakeKey)) return error;
  if (const int error = watch_fd(epoll_.get(), timer_.get(), kTimerKey)) return error;
  if (const int error = watch_fd(epoll_.get(), monitor_.fd(), kLinkKey)) return error;
  running_ = true;
  // Signals are the main thread's: ours starts with all of them blocked.
  joiner_.start();
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return 0;
}

void Responder::stop() {
  stopping_ = true;
  if (thread_.joinable()) {
    wake();
    thread_.join();
  }
  joiner_.stop();
  running_ = false;
}

bool Responder::post(Command command) {
  {
    const std::lock_guard<std::mutex> lock(commands_mutex_);
    if (commands_.size() >= kCommandsMax) return false;
    commands_.push_back(std::move(command));
  }
  if (running_) wake();
  return true;
}

void Responder::run() {
  pthread_setname_np(pthread_self(), "vipd-responder");
  stint_.enable(raise_own_scheduling());
  stint_.after_wait(boot_ns());
  tick();
  std::array<epoll_event, 32> events;
  while (!stopping_) {
    const int64_t idle_ns = look_for_frames(boot_ns());
    if (const int64_t tired_ns = stint_.before_wait(idle_ns)) rest_ns(tired_ns);
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    const int64_t woken_ns = boot_ns();
    stint_.after_wait(woken_ns);
    // EINTR: a debugger or SIGCONT; wait again.
    if (count < 0) continue;
    lookout_.slept(woken_ns - idle_ns, events[0].data.u64 >= kFirstChannelKey);
    // Commands first: a release must not wait behind frames that arrived with it.
    for (int i = 0; i < count; i++) {
      if (events[static_cast<size_t>(i)].data.u64 == kWakeKey) handle_event(kWakeKey);
    }
    for (int i = 0; i < count; i++) {
      const uint64_t key = events[static_cast<size_t>(i)].data.u64;
      if (key != kWakeKey) handle_event(key);
    }
  }
  asker_.abort("ECANCELED: the responder stopped");
  channels_.clear();
  ports_.clear();
}

void Responder::handle_event(uint64_t key) {
  if (key == kWakeKey) {
    drain_event(wake_.get());
    run_commands();
    tick();
  } else if (key == kTimerKey) {
    drain_event(timer_.get());
    armed_ns_ = kNever;
    tick();
  } else if (key == kLinkKey) {
    const bool was_ready = monitor_.ready();
    if (monitor_.read()) {
      reconcile();
      tick();
    }
    if (!was_ready && monitor_.ready()) {
      outbox_.complete({start_id_, "", {}, {}});
      wake();
    }
  } else if (const auto it = channels_.find(key); it != channels_.end()) {
    handle_frames(it->second);
  }
}

void Responder::run_commands() {
  // Until the links are known nothing can be attached: commands wait, in order.
  if (!monitor_.ready()) return;
  std::vector<Command> commands;
  {
    const std::lock_guard<std::mutex> lock(commands_mutex_);
    commands.swap(commands_);
  }
  for (Command& command : commands) command(*this);
  if (!commands.empty()) refresh_interest();
}

Port& Responder::port(const std::string& name) {
  auto& slot = ports_[name];
  if (!slot) slot = std::make_unique<Port>(name, options_.announce_per_second);
  return *slot;
}

bool Responder::set_interfaces(std::vector<std::string> names) {
  return post([names = std::move(names)](Responder& self) {
    for (auto& [name, port] : self.ports_) port->wanted = false;
    for (const std::string& name : names) {
      Port& port = self.port(name);
      port.wanted = true;
      port.was_reported = false;
    }
    self.reconcile();
  });
}

bool Responder::own(std::vector<Intent> intents) {
  return post([intents = std::move(intents)](Responder& self) {
    for (const Intent& intent : intents) {
      Port& port = self.port(intent.interface);
      if (port.table.own(intent.address, intent.mac, intent.heir)) port.interest_changed = true;
    }
  });
}

bool Responder::release(std::vector<Place> places) {
  return post([places = std::move(places)](Responder& self) {
    for (const Place& place : places) {
      Port& port = self.port(place.interface);
      if (port.table.release(place.address)) port.interest_changed = true;
    }
  });
}

bool Responder::watch(std::vector<Place> places) {
  return post([places = std::move(places)](Responder& self) {
    for (const Place& place : places) {
      Port& port = self.port(place.interface);
      if (port.table.watch(place.address)) port.interest_changed = true;
    }
  });
}

bool Responder::unwatch(std::vector<Place> places) {
  return post([places = std::move(places)](Responder& self) {
    for (const Place& place : places) {
      Port& port = self.port(place.interface);
      if (port.table.unwatch(place.address)) port.interest_changed = true;
    }
  });
}

bool Responder::announce(std::string interface, std::vector<Ip> addresses, std::vector<int64_t> delays_ns) {
  // The rounds count from the call, not from when the thread gets to it.
  const int64_t called_ns = boot_ns();
  return post([interface = std::move(interface), addresses = std::move(addresses), delays_ns = std::move(delays_ns),
               called_ns](Responder& self) {
    Port& port = self.port(interface);
    auto list = std::make_shared<std::vector<Announced>>();
    for (const Ip& ip : addresses) {
      const Entry* entry = port.table.find(ip);
      if (entry != nullptr && entry->hold == Hold::kOwned) list->push_back({ip, entry->epoch});
    }
    std::vector<int64_t> due;
    for (const int64_t delay : delays_ns) due.push_back(called_ns + delay);
    if (!port.announcements.add(std::move(list), due, true)) {
      self.trouble(port, "", ENOBUFS, "too many announcements wait; these are dropped");
    }
  });
}

bool Responder::set_announce_rate(double per_second) {
  return post([per_second](Responder& self) {
    self.options_.announce_per_second = per_second;
    for (auto& [name, port] : self.ports_) port->pacer.set_rate(per_second);
  });
}

bool Responder::set_refresh(int64_t mac_ns, int64_t vip_ns) {
  return post([mac_ns, vip_ns](Responder& self) {
    self.options_.refresh_mac_ns = mac_ns;
    self.options_.refresh_vip_ns = vip_ns;
    // The periods that run were the old ones' length: they begin anew.
    for (auto& [name, port] : self.ports_) port->mac_refresh_due_ns = port->vip_refresh_due_ns = kNever;
  });
}

bool Responder::ask(AskRequest request) {
  return post([request = std::move(request)](Responder& self) {
    Port& port = self.port(request.interface);
    // An interface that is not listened on is opened for the question alone.
    port.asks++;
    self.reconcile_port(port);
    self.asker_.begin(request, port, boot_ns());
    port.asks--;
    self.refresh_interest();
  });
}

size_t Responder::owned_count() const {
  size_t count = 0;
  for (const auto& [name, port] : ports_) count += port->table.owned_count();
  return count;
}

void Responder::trouble(Port& port, const std::string& address, int error, const std::string& what) {
  // One event for an interface and errno in ten seconds: a link that is down must not fill the log.
  const int64_t now = boot_ns();
  const auto it = port.trouble_ns.find(error);
  if (it != port.trouble_ns.end() && now - it->second < 10 * kNsPerS) return;
  port.trouble_ns[error] = now;
  Event event{};
  event.kind = Event::Kind::kTrouble;
  event.interface = port.name;
  event.address = address;
  event.error = errno_name(error);
  event.message = event.error + ": " + port.name + (address.empty() ? "" : ", " + address) + ": " + what;
  outbox_.post(std::move(event));
}

}  // namespace vipd
