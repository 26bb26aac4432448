// See packet_socket.h.
#include "os/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>

#include <cerrno>

namespace vipd {

struct PacketSocket::Slots {
  mmsghdr in[kBatch]{};
  iovec in_vector[kBatch]{};
  sockaddr_ll from[kBatch]{};
  alignas(cmsghdr) uint8_t control[kBatch][CMSG_SPACE(sizeof(tpacket_auxdata))]{};
  uint8_t buffer[kBatch][kBufferSize];
};

void PacketSocket::SlotsDelete::operator()(Slots* slots) const { delete slots; }

int PacketSocket::open(int interface_index, uint16_t ether_type, const Filter& filter) {
  // Protocol 0: deaf until bound, so nothing of another interface can slip in.
  fd_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_.valid()) return errno;
  if (const int error = set_filter(filter)) return error;
  const int one = 1;
  if (setsockopt(fd_.get(), SOL_PACKET, PACKET_AUXDATA, &one, sizeof one) != 0) return errno;
  // Since Linux 4.20; older kernels mark our frames PACKET_OUTGOING, which is looked at, too.
  setsockopt(fd_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
  const int room = 4 << 20;
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  }
  sockaddr_ll local{};
  local.sll_family = AF_PACKET;
  local.sll_protocol = htons(ether_type);
  local.sll_ifindex = interface_index;
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) return errno;

  slots_.reset(new Slots);
  for (size_t i = 0; i < kBatch; i++) {
    slots_->in_vector[i] = {slots_->buffer[i], kBufferSize};
    slots_->in[i].msg_hdr.msg_iov = &slots_->in_vector[i];
    slots_->in[i].msg_hdr.msg_iovlen = 1;
    slots_->in[i].msg_hdr.msg_name = &slots_->from[i];
    slots_->in[i].msg_hdr.msg_control = slots_->control[i];
    slots_->in[i].msg_hdr.msg_namelen = sizeof(sockaddr_ll);
    slots_->in[i].msg_hdr.msg_controllen = sizeof slots_->control[i];
  }
  return 0;
}

int PacketSocket::set_filter(const Filter& filter) {
  const sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  // An attached filter is replaced in one step: no frame passes unfiltered in between.
  return setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 ? 0 : errno;
}

FrameMeta PacketSocket::meta_of(size_t slot) const {
  FrameMeta meta;
  const sockaddr_ll& from = slots_->from[slot];
  meta.outgoing = from.sll_pkttype == PACKET_OUTGOING;
  meta.other_host = from.sll_pkttype == PACKET_OTHERHOST;
  msghdr& message = slots_->in[slot].msg_hdr;
  meta.oversized = (message.msg_flags & MSG_TRUNC) != 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata aux;
    std::memcpy(&aux, CMSG_DATA(c), sizeof aux);
    meta.checksum_unfinished = (aux.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
    meta.vlan = (aux.tp_status & TP_STATUS_VLAN_VALID) != 0 && (aux.tp_vlan_tci & 0x0fff) != 0;
  }
  return meta;
}

int PacketSocket::receive(std::vector<ReceivedFrame>& frames) {
  frames.clear();
  // Only what the last call changed: touching all slots would cost more than one frame's answer.
  for (size_t i = 0; i < used_; i++) {
    slots_->in[i].msg_hdr.msg_namelen = sizeof(sockaddr_ll);
    slots_->in[i].msg_hdr.msg_controllen = sizeof slots_->control[i];
  }
  used_ = 0;
  const int count = ::recvmmsg(fd_.get(), slots_->in, kBatch, MSG_DONTWAIT, nullptr);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : errno;
  used_ = static_cast<size_t>(count);
  for (size_t i = 0; i < used_; i++) {
    frames.push_back({{slots_->buffer[i], slots_->in[i].msg_len}, meta_of(i)});
  }
  return 0;
}

int PacketSocket::send(const uint8_t* data, size_t size) {
  // ENOBUFS, EAGAIN: no room in the queue; ENETDOWN: the link is down. The asker asks again; the next frame has its own chance.
  return ::send(fd_.get(), data, size, MSG_DONTWAIT) >= 0 ? 0 : errno;
}

uint64_t PacketSocket::take_drops() {
  tpacket_stats stats{};
  socklen_t size = sizeof stats;
  // Reading resets the counters.
  return getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0 ? stats.tp_drops : 0;
}

}  // namespace vipd
