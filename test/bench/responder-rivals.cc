// The rivals of `npm run bench:responder`: what a good program makes of a plain packet socket, so that the flood's figures have a
// measure on the same machine. One address, one family, one thread, at the scheduling that it was started with; it answers until
// it is ended. "v2-joined" joins the address's solicited-node group besides, as its owner must behind a switch that snoops MLD.
// Boundary: no lease, no checks, no counters; it is compared with vipd, never a part of it.
//
// usage: rivals INTERFACE arp|ns recvmmsg|v2|v3|v2-joined ADDRESS
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr unsigned kBatch = 64;
constexpr unsigned kBlockSize = 65536;
constexpr unsigned kBlocks = 32;
constexpr unsigned kSlotSize = 256;

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "rivals: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

class Rival {
 public:
  Rival(const char* interface, bool arp, const std::string& kind, const char* address) : arp_(arp) {
    fd_ = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd_ < 0) die("socket");
    ifreq request{};
    std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    if (ioctl(fd_, SIOCGIFHWADDR, &request) != 0) die("SIOCGIFHWADDR");
    std::memcpy(mac_, request.ifr_hwaddr.sa_data, 6);
    if (inet_pton(arp ? AF_INET : AF_INET6, address, ip_) != 1) die(address);
    attach_filter();
    const int one = 1;
    setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
    if (kind == "v2" || kind == "v2-joined") open_ring(TPACKET_V2);
    if (kind == "v3") open_ring(TPACKET_V3);
    sockaddr_ll local{};
    local.sll_family = AF_PACKET;
    local.sll_protocol = htons(arp ? ETH_P_ARP : ETH_P_IPV6);
    local.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    if (bind(fd_, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0) die("bind");
    if (kind == "v2-joined") join_group(local.sll_ifindex);
    for (unsigned i = 0; i < kBatch; i++) {
      out_vector_[i].iov_base = replies_[i];
      out_[i].msg_hdr.msg_iov = &out_vector_[i];
      out_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  [[noreturn]] void run_recvmmsg() {
    static uint8_t buffers[kBatch][2048];
    iovec vector[kBatch];
    mmsghdr in[kBatch]{};
    for (unsigned i = 0; i < kBatch; i++) {
      vector[i] = {buffers[i], sizeof buffers[i]};
      in[i].msg_hdr.msg_iov = &vector[i];
      in[i].msg_hdr.msg_iovlen = 1;
    }
    for (;;) {
      const int count = recvmmsg(fd_, in, kBatch, MSG_WAITFORONE, nullptr);
      for (int i = 0; i < count; i++) answer(buffers[i], in[i].msg_len);
      flush();
    }
  }

  [[noreturn]] void run_v2() {
    for (unsigned head = 0;; head = (head + 1) % (kBlocks * kBlockSize / kSlotSize)) {
      auto* header = reinterpret_cast<tpacket2_hdr*>(ring_ + size_t{head} * kSlotSize);
      wait_for(&header->tp_status);
      answer(reinterpret_cast<uint8_t*>(header) + header->tp_mac, header->tp_snaplen);
      __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    }
  }

  [[noreturn]] void run_v3() {
    for (unsigned block = 0;; block = (block + 1) % kBlocks) {
      auto* header = &reinterpret_cast<tpacket_block_desc*>(ring_ + size_t{block} * kBlockSize)->hdr.bh1;
      wait_for(&header->block_status);
      const uint8_t* at = ring_ + size_t{block} * kBlockSize + header->offset_to_first_pkt;
      for (uint32_t i = 0; i < header->num_pkts; i++) {
        const auto* packet = reinterpret_cast<const tpacket3_hdr*>(at);
        answer(at + packet->tp_mac, packet->tp_snaplen);
        at += packet->tp_next_offset;
      }
      __atomic_store_n(&header->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    }
  }

 private:
  /** The whole word of the target decides: nothing else wakes the program. */
  void attach_filter() {
    uint32_t last = 0;
    std::memcpy(&last, arp_ ? ip_ : ip_ + 12, 4);
    const uint32_t offset = arp_ ? 38 : 74;
    sock_filter code[] = {{BPF_LD | BPF_B | BPF_ABS, 0, 0, arp_ ? 21u : 54u},
                          {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, arp_ ? 1u : 135u},
                          {BPF_LD | BPF_W | BPF_ABS, 0, 0, offset},
                          {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, ntohl(last)},
                          {BPF_RET | BPF_K, 0, 0, 0xffff},
                          {BPF_RET | BPF_K, 0, 0, 0}};
    const sock_fprog program{6, code};
    if (setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) die("SO_ATTACH_FILTER");
  }

  /** ff02::1:ffXX:XXXX; the membership lasts as long as its socket, which is the program's. */
  void join_group(int interface_index) const {
    const uint8_t group[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ip_[13], ip_[14], ip_[15]};
    ipv6_mreq request{};
    std::memcpy(&request.ipv6mr_multiaddr, group, sizeof group);
    request.ipv6mr_interface = static_cast<unsigned>(interface_index);
    const int member = socket(AF_INET6, SOCK_DGRAM, 0);
    if (setsockopt(member, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request) != 0) die("IPV6_JOIN_GROUP");
  }

  void open_ring(int version) {
    if (setsockopt(fd_, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) die("PACKET_VERSION");
    tpacket_req3 request{kBlockSize, kBlocks, kSlotSize, kBlocks * kBlockSize / kSlotSize, 1, 0, 0};
    const auto size = static_cast<socklen_t>(version == TPACKET_V3 ? sizeof request : sizeof(tpacket_req));
    if (setsockopt(fd_, SOL_PACKET, PACKET_RX_RING, &request, size) != 0) die("PACKET_RX_RING");
    void* mapped = mmap(nullptr, size_t{kBlockSize} * kBlocks, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (mapped == MAP_FAILED) die("mmap");
    ring_ = static_cast<uint8_t*>(mapped);
  }

  /** What waits to leave leaves before sleeping. */
  void wait_for(const uint32_t* status) {
    while ((__atomic_load_n(status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) {
      if (pending_ > 0) {
        flush();
        continue;
      }
      pollfd waited{fd_, POLLIN, 0};
      poll(&waited, 1, -1);
    }
  }

  void answer(const uint8_t* question, size_t size) {
    if (size < (arp_ ? 42u : 78u)) return;
    out_vector_[pending_].iov_len = arp_ ? arp_reply(question, replies_[pending_]) : na_reply(question, replies_[pending_]);
    if (++pending_ == kBatch) flush();
  }

  size_t arp_reply(const uint8_t* question, uint8_t* reply) const {
    std::memcpy(reply, question + 22, 6);
    std::memcpy(reply + 6, mac_, 6);
    std::memcpy(reply + 12, question + 12, 8);
    reply[20] = 0;
    reply[21] = 2;
    std::memcpy(reply + 22, mac_, 6);
    std::memcpy(reply + 28, question + 38, 4);
    std::memcpy(reply + 32, question + 22, 10);
    return 42;
  }

  size_t na_reply(const uint8_t* question, uint8_t* reply) const {
    std::memset(reply, 0, 86);
    std::memcpy(reply, question + 6, 6);
    std::memcpy(reply + 6, mac_, 6);
    std::memcpy(reply + 12, question + 12, 2);
    uint8_t* ip = reply + 14;
    ip[0] = 0x60;
    ip[5] = 32;
    ip[6] = 58;
    ip[7] = 255;
    std::memcpy(ip + 8, ip_, 16);
    std::memcpy(ip + 24, question + 22, 16);
    ip[40] = 136;
    ip[44] = 0x60;
    std::memcpy(ip + 48, ip_, 16);
    ip[64] = 2;
    ip[65] = 1;
    std::memcpy(ip + 66, mac_, 6);
    uint32_t sum = 58 + 32;
    for (size_t i = 8; i < 72; i += 2) sum += static_cast<uint32_t>(ip[i] << 8 | ip[i + 1]);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    ip[42] = static_cast<uint8_t>(~sum >> 8);
    ip[43] = static_cast<uint8_t>(~sum);
    return 86;
  }

  void flush() {
    unsigned done = 0;
    while (done < pending_) {
      const int sent = sendmmsg(fd_, out_ + done, pending_ - done, MSG_DONTWAIT);
      if (sent <= 0) break;
      done += static_cast<unsigned>(sent);
    }
    pending_ = 0;
  }

  bool arp_;
  int fd_ = -1;
  uint8_t mac_[6]{};
  uint8_t ip_[16]{};
  uint8_t* ring_ = nullptr;
  unsigned pending_ = 0;
  uint8_t replies_[kBatch][128]{};
  iovec out_vector_[kBatch]{};
  mmsghdr out_[kBatch]{};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: rivals INTERFACE arp|ns recvmmsg|v2|v3|v2-joined ADDRESS\n");
    return 64;
  }
  const std::string kind = argv[3];
  Rival rival(argv[1], std::string(argv[2]) == "arp", kind, argv[4]);
  std::puts("ready");
  std::fflush(stdout);
  if (kind == "v2" || kind == "v2-joined") rival.run_v2();
  if (kind == "v3") rival.run_v3();
  rival.run_recvmmsg();
}
