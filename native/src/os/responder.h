// The responder: one thread that answers for owned addresses, announces them, watches links and claims, and asks.
// It sleeps in epoll (no tick), takes commands through a bounded queue, tells events through the outbox, and touches no
// JavaScript. Before each frame that claims an address it asks the lease; nothing else makes it speak.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <unordered_map>

#include "decision/decide.h"
#include "decision/lookout.h"
#include "decision/stint.h"
#include "os/asker.h"
#include "os/groups.h"
#include "os/lease.h"
#include "os/outbox.h"
#include "os/port.h"

namespace vipd {

struct Intent {
  Ip address;
  std::string interface;
  std::optional<Mac> mac;
  std::optional<Mac> heir;
};

struct Place {
  Ip address;
  std::string interface;
};

struct ResponderOptions {
  double announce_per_second = 5000;
  int64_t refresh_mac_ns = 60 * kNsPerS;
  int64_t refresh_vip_ns = 300 * kNsPerS;
  int64_t claim_interval_ns = 100 * kNsPerMs;
};

struct Counters {
  std::atomic<uint64_t> replies{0};
  std::atomic<uint64_t> announcements{0};
  std::atomic<uint64_t> frames_dropped{0};
  std::atomic<uint64_t> lease_lapses{0};
  std::atomic<uint64_t> ignored[static_cast<size_t>(Ignore::kCount)]{};

  void ignore(Ignore reason, uint64_t count = 1) {
    ignored[static_cast<size_t>(reason)].fetch_add(count, std::memory_order_relaxed);
  }
  uint64_t count(Ignore reason) const { return ignored[static_cast<size_t>(reason)].load(std::memory_order_relaxed); }
};

class Responder {
 public:
  static constexpr size_t kCommandsMax = 65536;

  Responder(Lease& lease, Outbox& outbox, ResponderOptions options);
  ~Responder() { stop(); }

  /** Opens, starts the thread; `id` completes when the first dump of links is in. 0 or errno. */
  int start(uint32_t id);
  /** Joins. Idempotent. */
  void stop();
  void wake() { signal_event(wake_.get()); }

  // Commands, from any thread. False: the queue is full, the thread is stuck; a broken invariant for the caller.
  bool set_interfaces(std::vector<std::string> names);
  bool own(std::vector<Intent> intents);
  bool release(std::vector<Place> places);
  bool watch(std::vector<Place> places);
  bool unwatch(std::vector<Place> places);
  bool announce(std::string interface, std::vector<Ip> addresses, std::vector<int64_t> delays_ns);
  bool set_announce_rate(double per_second);
  bool set_refresh(int64_t mac_ns, int64_t vip_ns);
  bool ask(AskRequest request);

  const Counters& counters() const { return counters_; }
  /** State of `names` as last heard. */
  std::vector<LinkState> links(const std::vector<std::string>& names) const;

 private:
  /** Keys in epoll below this are the thread's own: commands, timer, links. */
  static constexpr uint64_t kFirstChannelKey = 16;
  struct Channel {
    Port* port;
    FrameSource* source;
  };
  using Command = std::function<void(Responder&)>;
  bool post(Command command);

  void run();
  void run_commands();
  void handle_event(uint64_t key);
  Port& port(const std::string& name);

  // Links (responder_links.cc)
  void reconcile();
  void reconcile_port(Port& port);
  void attach(Port& port, const Link& link);
  void detach(Port& port);
  void publish_links();
  void refresh_interest();
  void announce_again(Port& port, int64_t now_ns);

  // Frames (responder_frames.cc)
  /** Looks at the rings for a moment where that pays. Returns the time. */
  int64_t look_for_frames(int64_t now_ns);
  void handle_frames(const Channel& channel);
  void handle_frame(const Channel& channel, const ReceivedFrame& received, int64_t now_ns);
  void handle_claim(Port& port, const Frame& frame, const Claim& claim, int64_t now_ns);
  void answer(Port& port, const Frame& frame, const Mac& mac);
  /** Sends the answers that wait, as far as the lease allows. */
  void send_answers(Port& port, FrameSource& source);
  void drop_answers_for(const Ip& address);
  void watch_drops(Port& port, int64_t now_ns);
  void read_drops(Port& port, int64_t now_ns);
  void guard_port(Port& port, uint64_t lost);

  // Time (responder_time.cc)
  void tick();
  void check_lease(int64_t now_ns);
  void send_announcements(Port& port, int64_t now_ns);
  bool send_round(Port& port, Round& round, int64_t now_ns);
  bool announce_one(Port& port, const Ip& address, const Mac& mac, int frames);
  bool send_announcement(Port& port, FrameSource& source, const uint8_t* data, size_t size);
  void schedule_refreshes(Port& port, int64_t now_ns);
  void refresh_macs(Port& port, int64_t now_ns);
  void refresh_vips(Port& port, int64_t now_ns);
  int64_t jittered(int64_t ns);
  void rearm(int64_t now_ns);
  size_t owned_count() const;

  void trouble(Port& port, const std::string& address, int error, const std::string& what);

  Lease& lease_;
  Outbox& outbox_;
  ResponderOptions options_;
  Counters counters_;
  Fd epoll_, wake_, timer_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> running_{false};

  std::mutex commands_mutex_;
  std::vector<Command> commands_;
  mutable std::mutex links_mutex_;
  std::map<std::string, LinkState> links_;

  GroupJoiner joiner_;

  // The thread's own from here on.
  LinkMonitor monitor_;
  Asker asker_;
  std::map<std::string, std::unique_ptr<Port>> ports_;
  std::unordered_map<uint64_t, Channel> channels_;
  uint64_t next_key_ = kFirstChannelKey;
  uint32_t start_id_ = 0;
  bool lease_was_alive_ = false;
  int64_t armed_ns_ = kNever;
  std::minstd_rand random_;
  std::vector<ReceivedFrame> received_;
  /** Answers to frames of the batch at hand; empty between batches. */
  std::array<OutFrame, FrameSource::kSendBatch> answers_;
  size_t answers_count_ = 0;
  Stint stint_;
  Lookout lookout_;
};

}  // namespace vipd
