// See groups.h.
#include "os/groups.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <set>

namespace vipd {
namespace {

ipv6_mreq membership(int interface_index, const Ip& group) {
  ipv6_mreq request{};
  std::memcpy(&request.ipv6mr_multiaddr, group.bytes.data(), 16);
  request.ipv6mr_interface = static_cast<unsigned>(interface_index);
  return request;
}

}  // namespace

int Groups::join(int interface_index, const Ip& group) {
  const ipv6_mreq request = membership(interface_index, group);
  for (size_t i = 0;; i++) {
    const bool fresh = i == sockets_.size();
    if (fresh) {
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

int Groups::set(int interface_index, const std::vector<Ip>& addresses) {
  std::set<Ip> wanted;
  for (const Ip& ip : addresses) {
    if (!ip.is_v4()) wanted.insert(solicited_node(ip));
  }
  for (auto it = joined_.begin(); it != joined_.end();) {
    if (wanted.count(it->first) != 0) {
      ++it;
      continue;
    }
    const ipv6_mreq request = membership(interface_index, it->first);
    Socket& socket = sockets_[it->second];
    setsockopt(socket.fd.get(), IPPROTO_IPV6, IPV6_LEAVE_GROUP, &request, sizeof request);
    socket.joined--;
    socket.full = false;
    it = joined_.erase(it);
  }
  int first_error = 0;
  for (const Ip& group : wanted) {
    if (joined_.count(group) != 0) continue;
    const int error = join(interface_index, group);
    if (error != 0 && first_error == 0) first_error = error;
  }
  return first_error;
}

void Groups::forget() {
  joined_.clear();
  sockets_.clear();
}

}  // namespace vipd
