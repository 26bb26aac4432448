// See notify.h.
#include "os/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "os/sys.h"

namespace vipd {

int sd_notify(const std::string& message) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || path[0] == '\0') return ENOENT;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const size_t length = std::strlen(path);
  if (length >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) return EINVAL;
  std::memcpy(to.sun_path, path, length);
  // A leading @ stands for the abstract namespace's zero byte, which has no terminator either.
  if (path[0] == '@') to.sun_path[0] = '\0';
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length + (path[0] == '@' ? 0 : 1));
  const ssize_t sent = ::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                                reinterpret_cast<const sockaddr*>(&to), size);
  return sent < 0 ? errno : 0;
}

}  // namespace vipd
