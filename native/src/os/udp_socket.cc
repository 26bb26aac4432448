// See udp_socket.h.
#include "os/udp_socket.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

namespace vipd {
namespace {

/** Asked for in both directions; the kernel gives what rmem_max and wmem_max allow. Room for a burst, not for a second of flood. */
constexpr int kBufferBytes = 1024 * 1024;
/** Datagrams that wait for the kernel's queue; beyond it the network is what loses them. */
constexpr size_t kWaitingMax = 256;

socklen_t fill(sockaddr_storage& out, const Ip& host, bool v6, uint16_t port) {
  std::memset(&out, 0, sizeof out);
  if (v6) {
    auto& to = reinterpret_cast<sockaddr_in6&>(out);
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    // An Ip keeps IPv4 in its mapped form, which is how a socket on :: reaches it.
    std::memcpy(&to.sin6_addr, host.bytes.data(), sizeof to.sin6_addr);
    return sizeof to;
  }
  auto& to = reinterpret_cast<sockaddr_in&>(out);
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  std::memcpy(&to.sin_addr, host.v4_bytes(), sizeof to.sin_addr);
  return sizeof to;
}

}  // namespace

int UdpSocket::open(const Ip& host, bool v6, uint16_t port) {
  v6_ = v6;
  fd_ = Fd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_.valid()) return errno;
  const int off = 0;
  if (v6) ::setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  // A smaller buffer loses bursts a little earlier, which the protocol bears: not worth failing for.
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
  sockaddr_storage at;
  const socklen_t size = fill(at, host, v6, port);
  socklen_t bound = sizeof at;
  if (::bind(fd_.get(), reinterpret_cast<sockaddr*>(&at), size) != 0 ||
      ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &bound) != 0) {
    const int error = errno;
    fd_.reset();
    return error;
  }
  // The port stands at the same place in both families.
  port_ = ntohs(reinterpret_cast<sockaddr_in&>(at).sin_port);
  return 0;
}

void UdpSocket::close() {
  fd_.reset();
  waiting_.clear();
}

size_t UdpSocket::receive(uint8_t* memory, uint32_t& errors) {
  std::array<mmsghdr, kBatch> headers;
  std::array<iovec, kBatch> parts;
  std::memset(headers.data(), 0, sizeof headers);
  for (size_t i = 0; i < kBatch; i++) {
    parts[i] = {memory + i * kSlotBytes, kSlotBytes};
    headers[i].msg_hdr.msg_iov = &parts[i];
    headers[i].msg_hdr.msg_iovlen = 1;
    headers[i].msg_hdr.msg_name = &senders_[i];
    headers[i].msg_hdr.msg_namelen = sizeof senders_[i];
  }
  const int got = ::recvmmsg(fd_.get(), headers.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (got < 0) {
    // EAGAIN: nothing is there. EINTR: the loop asks again. Anything else (ENOMEM, an ICMP echo) concerns one datagram.
    if (errno != EAGAIN && errno != EINTR) errors++;
    return 0;
  }
  for (int i = 0; i < got; i++) {
    arrivals_[i] = {headers[i].msg_len, ntohs(senders_[i].sin6_port)};
  }
  return static_cast<size_t>(got);
}

std::string UdpSocket::sender(size_t i) const {
  const sockaddr_in6& from = senders_[i];
  char text[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE] = "";
  if (from.sin6_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(from).sin_addr, text, sizeof text);
    return text;
  }
  ::inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text);
  if (from.sin6_scope_id == 0) return text;
  char name[IF_NAMESIZE];
  // ENXIO: the interface went in between; its number will do.
  const char* scope = ::if_indextoname(from.sin6_scope_id, name);
  return std::string(text) + "%" + (scope != nullptr ? scope : std::to_string(from.sin6_scope_id).c_str());
}

int UdpSocket::send(const uint8_t* bytes, size_t size, const Ip& host, uint16_t port) {
  if (!v6_ && !host.is_v4()) return EAFNOSUPPORT;
  sockaddr_storage to;
  const socklen_t to_size = fill(to, host, v6_, port);
  // What waits goes first.
  const int error = waiting_.empty() ? transmit(bytes, size, to, to_size) : EAGAIN;
  if (error != EAGAIN) return error;
  if (waiting_.size() >= kWaitingMax) return EAGAIN;
  waiting_.push_back({std::vector<uint8_t>(bytes, bytes + size), to, to_size});
  return 0;
}

uint32_t UdpSocket::flush() {
  uint32_t refused = 0;
  while (!waiting_.empty()) {
    const Waiting& next = waiting_.front();
    const int error = transmit(next.bytes.data(), next.bytes.size(), next.to, next.to_size);
    if (error == EAGAIN) break;
    if (error != 0) refused++;
    waiting_.pop_front();
  }
  return refused;
}

int UdpSocket::transmit(const uint8_t* bytes, size_t size, const sockaddr_storage& to, socklen_t to_size) {
  for (;;) {
    if (::sendto(fd_.get(), bytes, size, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), to_size) >= 0) return 0;
    // EINTR: again. ENETUNREACH, EPERM (a firewall), EMSGSIZE, ENOBUFS: this datagram is lost, the next may do well.
    if (errno != EINTR) return errno;
  }
}

}  // namespace vipd
