// See host_interfaces.h.
#include "os/host_interfaces.h"

#include <linux/if_addr.h>
#include <poll.h>

#include <cerrno>

#include "os/link_monitor.h"
#include "os/lo_addresses.h"

namespace vipd {
namespace {

constexpr int kPatienceMs = 2000;

int read_addresses(std::map<int, HostInterface>& by_index) {
  NetlinkSocket socket;
  if (const int error = socket.open({}, true)) return error;
  ifaddrmsg body{};
  NetlinkRequest request;
  request.begin(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 1, body);
  if (const int error = socket.send(request)) return error;
  bool done = false;
  int failure = 0;
  while (!done) {
    const int error = socket.receive([&](const nlmsghdr& message) {
      if (message.nlmsg_type == NLMSG_DONE) done = true;
      if (message.nlmsg_type == NLMSG_ERROR) {
        failure = netlink_error(message);
        done = true;
      }
      if (message.nlmsg_type != RTM_NEWADDR) return;
      Ip ip;
      int index = 0;
      uint8_t protocol = 0;
      if (!parse_address(message, ip, index, protocol)) return;
      const auto it = by_index.find(index);
      if (it == by_index.end()) return;
      const auto* header = static_cast<const ifaddrmsg*>(NLMSG_DATA(&message));
      it->second.addresses.push_back({to_text(ip), header->ifa_prefixlen, protocol == kAddressProtocol});
    });
    if (error != 0) return error;
  }
  return failure;
}

}  // namespace

int read_host_interfaces(std::vector<HostInterface>& found) {
  LinkMonitor monitor;
  if (const int error = monitor.open()) return error;
  while (!monitor.ready()) {
    pollfd waiting{monitor.fd(), POLLIN, 0};
    const int count = ::poll(&waiting, 1, kPatienceMs);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count == 0 ? ETIMEDOUT : errno;
    monitor.read();
  }
  std::map<int, HostInterface> by_index;
  for (const auto& [index, link] : monitor.all()) by_index[index] = {monitor.state_of(link.name), link.ethernet, {}};
  if (const int error = read_addresses(by_index)) return error;
  found.clear();
  for (auto& [index, one] : by_index) found.push_back(std::move(one));
  return 0;
}

}  // namespace vipd
