// The load generator of `npm run bench:responder`: asks for one address by ARP or NS and counts the answers.
// One thread, pinned by whoever starts it; one JSON line on stdout. Boundary: it knows nothing of vipd, so that the kernel's
// own answers are measured by the same code. Questions carry one of 64 senders each, which names the slot an answer belongs to.
//
// usage: generator INTERFACE arp|ns closed|window|flat|rate TARGET SECONDS [WINDOW|PER_SECOND]
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

constexpr size_t kSlots = 64;
constexpr int64_t kNsPerS = 1'000'000'000;
/** An answer that is later than this is lost: the slot asks again. */
constexpr int64_t kLostNs = 200'000'000;

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "generator: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerS + now.tv_nsec;
}

void put16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

struct Question {
  uint8_t bytes[96]{};
  size_t size = 0;
};

uint16_t icmpv6_checksum(const uint8_t* ip, size_t payload) {
  uint32_t sum = 58 + static_cast<uint32_t>(payload);
  for (size_t i = 8; i < 40 + payload; i += 2) sum += static_cast<uint32_t>(ip[i] << 8 | ip[i + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

/** Broadcast request from 10.66.0.(slot + 1). */
Question arp_question(const uint8_t* mac, const in_addr& target, size_t slot) {
  Question q;
  q.size = 60;
  std::memset(q.bytes, 0xff, 6);
  std::memcpy(q.bytes + 6, mac, 6);
  put16(q.bytes + 12, ETH_P_ARP);
  const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};
  std::memcpy(q.bytes + 14, head, 8);
  std::memcpy(q.bytes + 22, mac, 6);
  const uint8_t sender[4] = {10, 66, 0, static_cast<uint8_t>(slot + 1)};
  std::memcpy(q.bytes + 28, sender, 4);
  std::memcpy(q.bytes + 38, &target, 4);
  return q;
}

/** Multicast NS from fe80::66:(slot + 1), with the source link-layer option. */
Question ns_question(const uint8_t* mac, const in6_addr& target, size_t slot) {
  Question q;
  q.size = 86;
  const uint8_t group_mac[3] = {0x33, 0x33, 0xff};
  std::memcpy(q.bytes, group_mac, 3);
  std::memcpy(q.bytes + 3, target.s6_addr + 13, 3);
  std::memcpy(q.bytes + 6, mac, 6);
  put16(q.bytes + 12, ETH_P_IPV6);
  uint8_t* ip = q.bytes + 14;
  ip[0] = 0x60;
  ip[5] = 32;
  ip[6] = 58;
  ip[7] = 255;
  ip[8] = 0xfe;
  ip[9] = 0x80;
  ip[21] = 0x66;
  ip[23] = static_cast<uint8_t>(slot + 1);
  const uint8_t group[13] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::memcpy(ip + 24, group, 13);
  std::memcpy(ip + 37, target.s6_addr + 13, 3);
  ip[40] = 135;
  std::memcpy(ip + 48, target.s6_addr, 16);
  ip[64] = 1;
  ip[65] = 1;
  std::memcpy(ip + 66, mac, 6);
  put16(ip + 42, icmpv6_checksum(ip, 32));
  return q;
}

struct Slot {
  int64_t asked_ns = 0;
  bool open = false;
};

class Generator {
 public:
  Generator(const char* interface, bool arp, const char* target) : arp_(arp) {
    open_sockets(interface);
    ifreq request{};
    std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    if (ioctl(out_, SIOCGIFHWADDR, &request) != 0) die("SIOCGIFHWADDR");
    const auto* mac = reinterpret_cast<const uint8_t*>(request.ifr_hwaddr.sa_data);
    in_addr v4{};
    in6_addr v6{};
    if (inet_pton(arp ? AF_INET : AF_INET6, target, arp ? static_cast<void*>(&v4) : &v6) != 1) die(target);
    for (size_t i = 0; i < kSlots; i++) questions_[i] = arp ? arp_question(mac, v4, i) : ns_question(mac, v6, i);
    for (size_t i = 0; i < kSlots; i++) {
      out_vector_[i] = {questions_[i].bytes, questions_[i].size};
      in_vector_[i] = {buffers_[i], sizeof buffers_[i]};
      in_messages_[i].msg_hdr.msg_iov = &in_vector_[i];
      in_messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  /** Keeps `window` questions open; the delay of each answer is noted. */
  void run_window(size_t window, double seconds) {
    delays_.reserve(8'000'000);
    const int64_t start = now_ns();
    const int64_t end = start + static_cast<int64_t>(seconds * kNsPerS);
    int64_t now = start;
    for (; now < end; now = now_ns()) {
      ask_free_slots(window, now);
      // One look every 100 ms for lost ones; poll only when nothing is there, as a program would that waits.
      if (receive_answers(now_ns()) == 0) wait_ms(100);
      forget_lost(window, now_ns());
    }
    elapsed_s_ = static_cast<double>(now - start) / kNsPerS;
  }

  /** Sends without looking at answers, as fast as possible or at a rate; the kernel counts the answers. */
  void run_blind(double per_second, double seconds) {
    const int small = 0;
    setsockopt(in_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    read_statistics();
    const int64_t start = now_ns();
    const int64_t end = start + static_cast<int64_t>(seconds * kNsPerS);
    int64_t now = start;
    for (; now < end; now = now_ns()) {
      size_t batch = kSlots;
      if (per_second > 0) {
        const double due = static_cast<double>(now - start) / kNsPerS * per_second - static_cast<double>(asked_);
        batch = due < 1 ? 0 : std::min(kSlots, static_cast<size_t>(due));
      }
      if (batch == 0) {
        const timespec pause{0, 500'000};
        nanosleep(&pause, nullptr);
        continue;
      }
      for (size_t i = 0; i < batch; i++) set_out(i, i);
      const int sent = sendmmsg(out_, out_messages_, static_cast<unsigned>(batch), 0);
      if (sent > 0) asked_ += static_cast<uint64_t>(sent);
    }
    elapsed_s_ = static_cast<double>(now - start) / kNsPerS;
    // What is still under way.
    usleep(200'000);
    answered_ = read_statistics();
  }

  void print() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const double cpu = static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                       static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    std::sort(delays_.begin(), delays_.end());
    const auto quantile = [this](double q) {
      if (delays_.empty()) return 0.0;
      const auto at = static_cast<size_t>(q * static_cast<double>(delays_.size() - 1));
      return static_cast<double>(delays_[at]) / 1000;
    };
    std::printf("{\"seconds\":%.3f,\"asked\":%llu,\"answered\":%llu,\"lost\":%llu,\"askedPerSecond\":%.0f,\"answeredPerSecond\":%.0f,"
                "\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f,\"maxUs\":%.1f,\"generatorCpuSeconds\":%.3f}\n",
                elapsed_s_, static_cast<unsigned long long>(asked_), static_cast<unsigned long long>(answered_),
                static_cast<unsigned long long>(lost_), static_cast<double>(asked_) / elapsed_s_,
                static_cast<double>(answered_) / elapsed_s_, quantile(0.5), quantile(0.99), quantile(0.999), quantile(1), cpu);
  }

 private:
  void open_sockets(const char* interface) {
    out_ = socket(AF_PACKET, SOCK_RAW, 0);
    in_ = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
    if (out_ < 0 || in_ < 0) die("socket");
    // ARP: opcode 2. NDP: next header 58, type 136. Nothing else reaches us, our own questions least of all.
    sock_filter arp_code[] = {{BPF_LD | BPF_H | BPF_ABS, 0, 0, 20},
                              {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 2},
                              {BPF_RET | BPF_K, 0, 0, 0xffff},
                              {BPF_RET | BPF_K, 0, 0, 0}};
    sock_filter ndp_code[] = {{BPF_LD | BPF_B | BPF_ABS, 0, 0, 20},
                              {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 58},
                              {BPF_LD | BPF_B | BPF_ABS, 0, 0, 54},
                              {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 136},
                              {BPF_RET | BPF_K, 0, 0, 0xffff},
                              {BPF_RET | BPF_K, 0, 0, 0}};
    const sock_fprog program{static_cast<unsigned short>(arp_ ? 4 : 6), arp_ ? arp_code : ndp_code};
    if (setsockopt(in_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) die("SO_ATTACH_FILTER");
    sockaddr_ll local{};
    local.sll_family = AF_PACKET;
    local.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    if (bind(out_, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0) die("bind");
    local.sll_protocol = htons(arp_ ? ETH_P_ARP : ETH_P_IPV6);
    if (bind(in_, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0) die("bind");
  }

  void set_out(size_t at, size_t slot) {
    out_messages_[at].msg_hdr.msg_iov = &out_vector_[slot];
    out_messages_[at].msg_hdr.msg_iovlen = 1;
  }

  void ask_free_slots(size_t window, int64_t now) {
    unsigned count = 0;
    for (size_t i = 0; i < window; i++) {
      if (slots_[i].open) continue;
      slots_[i] = {now, true};
      set_out(count++, i);
    }
    for (unsigned done = 0; done < count;) {
      const int sent = sendmmsg(out_, out_messages_ + done, count - done, 0);
      if (sent < 0) die("sendmmsg");
      done += static_cast<unsigned>(sent);
    }
    asked_ += count;
  }

  size_t receive_answers(int64_t) {
    const int count = recvmmsg(in_, in_messages_, kSlots, MSG_DONTWAIT, nullptr);
    if (count <= 0) return 0;
    const int64_t now = now_ns();
    for (int i = 0; i < count; i++) {
      // The answer goes to the sender that the question named: its last byte is the slot.
      const uint8_t* bytes = buffers_[i];
      const size_t slot = static_cast<size_t>(arp_ ? bytes[41] : bytes[53]) - 1;
      if (slot >= kSlots || !slots_[slot].open) continue;
      slots_[slot].open = false;
      answered_++;
      delays_.push_back(now - slots_[slot].asked_ns);
    }
    return static_cast<size_t>(count);
  }

  void forget_lost(size_t window, int64_t now) {
    for (size_t i = 0; i < window; i++) {
      if (!slots_[i].open || now - slots_[i].asked_ns < kLostNs) continue;
      slots_[i].open = false;
      lost_++;
    }
  }

  void wait_ms(int ms) {
    pollfd waited{in_, POLLIN, 0};
    poll(&waited, 1, ms);
  }

  uint64_t read_statistics() {
    tpacket_stats stats{};
    socklen_t size = sizeof stats;
    if (getsockopt(in_, SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0) die("PACKET_STATISTICS");
    return stats.tp_packets;
  }

  bool arp_;
  int out_ = -1;
  int in_ = -1;
  Question questions_[kSlots];
  iovec out_vector_[kSlots]{};
  mmsghdr out_messages_[kSlots]{};
  uint8_t buffers_[kSlots][128]{};
  iovec in_vector_[kSlots]{};
  mmsghdr in_messages_[kSlots]{};
  Slot slots_[kSlots];
  std::vector<int64_t> delays_;
  uint64_t asked_ = 0;
  uint64_t answered_ = 0;
  uint64_t lost_ = 0;
  double elapsed_s_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: generator INTERFACE arp|ns closed|window|flat|rate TARGET SECONDS [WINDOW|PER_SECOND]\n");
    return 64;
  }
  const std::string family = argv[2];
  const std::string mode = argv[3];
  const double seconds = std::atof(argv[5]);
  const double number = argc > 6 ? std::atof(argv[6]) : 0;
  Generator generator(argv[1], family == "arp", argv[4]);
  if (mode == "closed") generator.run_window(1, seconds);
  else if (mode == "window") generator.run_window(std::clamp<size_t>(static_cast<size_t>(number), 1, kSlots), seconds);
  else if (mode == "rate") generator.run_blind(std::max(1.0, number), seconds);
  else generator.run_blind(0, seconds);
  generator.print();
  return 0;
}
