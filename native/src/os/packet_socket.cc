// See packet_socket.h.
#include "os/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>

#include <cerrno>

namespace vipd {
namespace {

/** The slot's owner, shared with the kernel: acquire before its bytes are read, release after they were. */
uint32_t status_of(const uint8_t* slot) {
  return __atomic_load_n(&reinterpret_cast<const tpacket2_hdr*>(slot)->tp_status, __ATOMIC_ACQUIRE);
}

ReceivedFrame frame_in(const uint8_t* slot, uint32_t status) {
  const auto* header = reinterpret_cast<const tpacket2_hdr*>(slot);
  const auto* from = reinterpret_cast<const sockaddr_ll*>(slot + TPACKET_ALIGN(sizeof(tpacket2_hdr)));
  ReceivedFrame frame{{slot + header->tp_mac, header->tp_snaplen}, {}};
  frame.meta.outgoing = from->sll_pkttype == PACKET_OUTGOING;
  frame.meta.other_host = from->sll_pkttype == PACKET_OTHERHOST;
  frame.meta.oversized = header->tp_snaplen < header->tp_len;
  frame.meta.checksum_unfinished = (status & TP_STATUS_CSUMNOTREADY) != 0;
  frame.meta.vlan = (status & TP_STATUS_VLAN_VALID) != 0 && (header->tp_vlan_tci & 0x0fff) != 0;
  return frame;
}

}  // namespace

PacketSocket::~PacketSocket() {
  if (ring_ != nullptr) munmap(ring_, size_t{shape_.slot_size} * shape_.slots);
}

int PacketSocket::open(int interface_index, uint16_t ether_type, const RingShape& shape, const Filter& filter) {
  shape_ = shape;
  interface_index_ = interface_index;
  ether_type_ = ether_type;
  // Protocol 0: deaf until bound, so nothing of another interface can slip in.
  fd_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_.valid()) return errno;
  if (const int error = set_filter(filter)) return error;
  const int one = 1;
  // Since Linux 4.20; older kernels mark our frames PACKET_OUTGOING, which is looked at, too.
  setsockopt(fd_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
  if (const int error = open_ring()) return error;
  return bind_to(ether_type);
}

int PacketSocket::bind_to(uint16_t ether_type) {
  sockaddr_ll local{};
  local.sll_family = AF_PACKET;
  local.sll_protocol = htons(ether_type);
  local.sll_ifindex = interface_index_;
  return ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0 ? 0 : errno;
}

int PacketSocket::open_ring() {
  const int version = TPACKET_V2;
  if (setsockopt(fd_.get(), SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) return errno;
  const unsigned size = shape_.slot_size * shape_.slots;
  const tpacket_req request{RingShape::kBlockSize, size / RingShape::kBlockSize, shape_.slot_size, shape_.slots};
  if (setsockopt(fd_.get(), SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) return errno;
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (mapped == MAP_FAILED) return errno;
  ring_ = static_cast<uint8_t*>(mapped);
  return 0;
}

int PacketSocket::set_filter(const Filter& filter) {
  const sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  // An attached filter is replaced in one step: no frame passes unfiltered in between.
  return setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 ? 0 : errno;
}

bool PacketSocket::ready() const { return (status_of(slot(head_)) & TP_STATUS_USER) != 0; }

int PacketSocket::receive(std::vector<ReceivedFrame>& frames) {
  frames.clear();
  release();
  while (taken_ < kBatch) {
    const uint32_t status = status_of(slot(head_));
    if ((status & TP_STATUS_USER) == 0) break;
    frames.push_back(frame_in(slot(head_), status));
    taken_++;
    if (++head_ == shape_.slots) head_ = 0;
  }
  if (!frames.empty()) return 0;
  // Woken for nothing: by an error (ENETDOWN), which stays and would wake us for ever unless it is read.
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

void PacketSocket::release() {
  for (; taken_ > 0; taken_--) {
    const unsigned index = (head_ + shape_.slots - taken_) % shape_.slots;
    __atomic_store_n(&reinterpret_cast<tpacket2_hdr*>(slot(index))->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
  }
}

int PacketSocket::send(const uint8_t* data, size_t size) {
  // ENOBUFS, EAGAIN: no room in the queue; ENETDOWN: the link is down. The asker asks again; the next frame has its own chance.
  return ::send(fd_.get(), data, size, MSG_DONTWAIT) >= 0 ? 0 : errno;
}

int PacketSocket::send_all(const OutFrame* frames, size_t count) {
  iovec vectors[kSendBatch];
  mmsghdr messages[kSendBatch]{};
  for (size_t i = 0; i < count; i++) {
    vectors[i] = {const_cast<uint8_t*>(frames[i].bytes.data()), frames[i].size};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int sent = ::sendmmsg(fd_.get(), messages, static_cast<unsigned>(count), MSG_DONTWAIT);
  return sent >= 0 ? sent : -errno;
}

FrameSource::Tally PacketSocket::take_tally() {
  tpacket_stats stats{};
  socklen_t size = sizeof stats;
  // Reading resets the counters. The frames include the dropped ones.
  if (getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0) return {0, 0};
  return {stats.tp_packets, stats.tp_drops};
}

int PacketSocket::hear_first(bool first) {
  // Whoever listens to all EtherTypes is asked before ingress; the filter leaves of them what it left before. Takes some ms,
  // in which nothing is heard.
  return bind_to(first ? ETH_P_ALL : ether_type_);
}

}  // namespace vipd
