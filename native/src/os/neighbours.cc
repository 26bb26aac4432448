// See neighbours.h.
#include "os/neighbours.h"

#include <linux/neighbour.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "os/lo_addresses.h"
#include "os/netlink.h"

namespace vipd {
namespace {

struct Neighbour {
  Ip ip;
  int interface_index = 0;
  uint16_t state = 0;
  uint8_t flags = 0;
  uint8_t protocol = 0;

  /** Learned externally, by us. */
  bool ours() const {
    return (flags & NTF_EXT_LEARNED) != 0 && protocol == kAddressProtocol && (state & NUD_PERMANENT) == 0;
  }
  /** Somebody else's business: static, or learned by another program. */
  bool foreign() const { return (state & (NUD_PERMANENT | NUD_NOARP)) != 0 || ((flags & NTF_EXT_LEARNED) != 0 && !ours()); }
};

uint8_t family_of(const Ip& ip) { return ip.is_v4() ? AF_INET : AF_INET6; }

void append_ip(NetlinkRequest& request, uint16_t type, const Ip& ip) {
  request.attribute(type, ip.is_v4() ? ip.v4_bytes() : ip.bytes.data(), ip.is_v4() ? 4 : 16);
}

std::optional<Neighbour> parse_neighbour(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWNEIGH || message.nlmsg_len < NLMSG_LENGTH(sizeof(ndmsg))) return std::nullopt;
  const auto* body = static_cast<const ndmsg*>(NLMSG_DATA(&message));
  Neighbour found;
  found.interface_index = body->ndm_ifindex;
  found.state = body->ndm_state;
  found.flags = body->ndm_flags;
  bool addressed = false;
  const auto* first = reinterpret_cast<const rtattr*>(reinterpret_cast<const uint8_t*>(body) + NLMSG_ALIGN(sizeof(ndmsg)));
  each_attribute(first, NLMSG_PAYLOAD(&message, sizeof(ndmsg)), [&](const rtattr& a) {
    const auto* data = static_cast<const uint8_t*>(RTA_DATA(&a));
    const size_t size = RTA_PAYLOAD(&a);
    if (a.rta_type == NDA_PROTOCOL && size == 1) found.protocol = data[0];
    if (a.rta_type != NDA_DST) return;
    if (body->ndm_family == AF_INET && size == 4) found.ip = Ip::v4(data);
    else if (body->ndm_family == AF_INET6 && size == 16) found.ip = Ip::v6(data);
    else return;
    addressed = true;
  });
  if (!addressed) return std::nullopt;
  return found;
}

/** Questions to the kernel, one at a time. */
class Kernel {
 public:
  int open() { return socket_.open({}, true); }

  /** Tells the interface through which this host is a neighbour; 0: it is none, or nothing leads there. Returns 0, or the errno. */
  int find_interface(const Ip& host, int& index) {
    rtmsg body{};
    body.rtm_family = family_of(host);
    body.rtm_dst_len = host.is_v4() ? 32 : 128;
    NetlinkRequest request;
    request.begin(RTM_GETROUTE, NLM_F_REQUEST, ++sequence_, body);
    append_ip(request, RTA_DST, host);
    bool direct = false;
    index = 0;
    const int error = exchange(request, false, [&](const nlmsghdr& message) {
      if (message.nlmsg_type != RTM_NEWROUTE || message.nlmsg_len < NLMSG_LENGTH(sizeof(rtmsg))) return;
      const auto* route = static_cast<const rtmsg*>(NLMSG_DATA(&message));
      direct = route->rtm_type == RTN_UNICAST;
      each_attribute(RTM_RTA(route), RTM_PAYLOAD(&message), [&](const rtattr& a) {
        if (a.rta_type == RTA_GATEWAY || a.rta_type == RTA_VIA || a.rta_type == RTA_MULTIPATH) direct = false;
        if (a.rta_type == RTA_OIF && RTA_PAYLOAD(&a) == sizeof index) std::memcpy(&index, RTA_DATA(&a), sizeof index);
      });
    });
    if (!direct) index = 0;
    return error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES ? 0 : error;
  }

  /** Tells the entry, if there is one. Returns 0, or the errno. */
  int find(const Ip& ip, int interface_index, std::optional<Neighbour>& found) {
    NetlinkRequest request;
    request.begin(RTM_GETNEIGH, NLM_F_REQUEST, ++sequence_, header(family_of(ip), interface_index, 0));
    append_ip(request, NDA_DST, ip);
    found.reset();
    const int error = exchange(request, false, [&](const nlmsghdr& message) { found = parse_neighbour(message); });
    return error == ENOENT ? 0 : error;
  }

  int list(uint8_t family, std::vector<Neighbour>& found) {
    NetlinkRequest request;
    request.begin(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, ++sequence_, header(family, 0, 0));
    return exchange(request, true, [&](const nlmsghdr& message) {
      if (const auto one = parse_neighbour(message)) found.push_back(*one);
    });
  }

  enum class Mark { kNew, kKnown, kNone };

  /** NTF_USE leaves the entry's state to the kernel, and has it resolved where it is not; but it takes a static entry's permanence. */
  int set_mark(const Ip& ip, int interface_index, Mark mark) {
    const bool kept = mark != Mark::kNone;
    const auto flags = static_cast<uint8_t>(NTF_USE | (kept ? NTF_EXT_LEARNED : 0));
    // A new one that somebody else was faster to make may be static. One that went in between need not be let go.
    const uint16_t mode = mark == Mark::kNew ? NLM_F_CREATE | NLM_F_EXCL : NLM_F_REPLACE;
    NetlinkRequest request;
    request.begin(RTM_NEWNEIGH, static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | mode), ++sequence_,
                  header(family_of(ip), interface_index, flags));
    append_ip(request, NDA_DST, ip);
    // Nothing but another protocol takes ours back.
    const uint8_t protocol = kept ? kAddressProtocol : RTPROT_KERNEL;
    request.attribute(NDA_PROTOCOL, &protocol, sizeof protocol);
    const int error = exchange(request, false, [](const nlmsghdr&) {});
    return error == ENOENT && !kept ? 0 : error;
  }

 private:
  static ndmsg header(uint8_t family, int interface_index, uint8_t flags) {
    ndmsg body{};
    body.ndm_family = family;
    body.ndm_ifindex = interface_index;
    body.ndm_flags = flags;
    return body;
  }

  /** Sends the request numbered sequence_, and hands over what answers it: one message, or with `dump` all until the last. */
  template <typename Each>
  int exchange(const NetlinkRequest& request, bool dump, Each each) {
    if (const int error = socket_.send(request)) return error;
    int failure = 0;
    bool done = false;
    while (!done) {
      const int error = socket_.receive([&](const nlmsghdr& message) {
        if (message.nlmsg_seq != sequence_ || done) return;
        if (message.nlmsg_type == NLMSG_ERROR) failure = netlink_error(message);
        else if (message.nlmsg_type != NLMSG_DONE) each(message);
        done = !dump || message.nlmsg_type == NLMSG_ERROR || message.nlmsg_type == NLMSG_DONE;
      });
      if (error != 0) return error;
    }
    return failure;
  }

  NetlinkSocket socket_;
  uint32_t sequence_ = 0;
};

int keep(Kernel& kernel, const Ip& host) {
  int index = 0;
  if (const int error = kernel.find_interface(host, index)) return error;
  if (index == 0) return 0;
  // Twice: the kernel may have made an entry in between, or thrown one out.
  for (const bool last : {false, true}) {
    std::optional<Neighbour> known;
    if (const int error = kernel.find(host, index, known)) return error;
    if (known && (known->ours() || known->foreign())) return 0;
    const int error = kernel.set_mark(host, index, known ? Kernel::Mark::kKnown : Kernel::Mark::kNew);
    if ((error == EEXIST || error == ENOENT) && !last) continue;
    if (error != 0) return error;
    if (const int again = kernel.find(host, index, known)) return again;
    return !known || known->ours() ? 0 : EOPNOTSUPP;
  }
  return 0;
}

}  // namespace

int keep_neighbours(const std::vector<Ip>& hosts) {
  Kernel kernel;
  int failure = kernel.open();
  if (failure != 0) return failure;
  for (const Ip& host : hosts) {
    const int error = keep(kernel, host);
    if (failure == 0) failure = error;
  }
  return failure;
}

int release_neighbours(const std::vector<Ip>& kept) {
  Kernel kernel;
  int failure = kernel.open();
  if (failure != 0) return failure;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    std::vector<Neighbour> found;
    if (const int error = kernel.list(family, found)) failure = failure == 0 ? error : failure;
    for (const Neighbour& one : found) {
      if (!one.ours() || std::find(kept.begin(), kept.end(), one.ip) != kept.end()) continue;
      const int error = kernel.set_mark(one.ip, one.interface_index, Kernel::Mark::kNone);
      if (failure == 0) failure = error;
    }
  }
  return failure;
}

}  // namespace vipd
