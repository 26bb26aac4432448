// See netlink.h.
#include "os/netlink.h"

#include <sys/socket.h>

#include <cerrno>

namespace vipd {

void NetlinkRequest::append(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  buffer_.insert(buffer_.end(), bytes, bytes + size);
  buffer_.resize(NLMSG_ALIGN(buffer_.size()));
}

void NetlinkRequest::close() {
  const auto length = static_cast<uint32_t>(buffer_.size() - start_);
  std::memcpy(buffer_.data() + start_, &length, sizeof length);
}

void NetlinkRequest::attribute(uint16_t type, const void* data, size_t size) {
  rtattr header{};
  header.rta_type = type;
  header.rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
  append(&header, sizeof header);
  append(data, size);
  close();
}

size_t NetlinkRequest::nest(uint16_t type) {
  const size_t at = buffer_.size();
  attribute(type, nullptr, 0);
  return at;
}

void NetlinkRequest::end_nest(size_t at) {
  const auto length = static_cast<uint16_t>(buffer_.size() - at);
  std::memcpy(buffer_.data() + at, &length, sizeof length);
}

int NetlinkSocket::open(const std::vector<int>& groups, bool blocking, int protocol) {
  blocking_ = blocking;
  fd_ = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), protocol));
  if (!fd_.valid()) return errno;
  const int size = 4 << 20;
  // FORCE needs CAP_NET_ADMIN, which we have; without it the ordinary limit applies, and ENOBUFS leads to a fresh dump.
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
  // Ten thousand addresses in one batch are half a megabyte.
  setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  const int one = 1;
  setsockopt(fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) return errno;
  for (const int group : groups) {
    if (setsockopt(fd_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) return errno;
  }
  buffer_.resize(64 * 1024);
  return 0;
}

int NetlinkSocket::send(const NetlinkRequest& request) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const auto& bytes = request.bytes();
  for (;;) {
    const ssize_t sent = ::sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
                                  sizeof kernel);
    if (sent >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

int NetlinkSocket::receive(const std::function<void(const nlmsghdr&)>& each) {
  for (;;) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    const ssize_t got = ::recvfrom(fd_.get(), buffer_.data(), buffer_.size(), 0, reinterpret_cast<sockaddr*>(&from),
                                   &from_size);
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? 0 : errno;
    }
    // Another process may send us netlink messages; only the kernel (port 0) is believed.
    if (from.nl_pid != 0) continue;
    auto left = static_cast<unsigned>(got);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      each(*message);
    }
    if (blocking_) return 0;
  }
}

int netlink_error(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))) return EBADMSG;
  return -static_cast<const nlmsgerr*>(NLMSG_DATA(&message))->error;
}

}  // namespace vipd
