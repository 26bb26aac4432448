// See lo_addresses.h.
#include "os/lo_addresses.h"

#include <linux/if_addr.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#ifndef IFA_PROTO
#define IFA_PROTO 11
#endif

namespace vipd {
namespace {

/** Acknowledgements that the receive buffer surely holds. */
constexpr size_t kBatch = 256;
/** Routes are larger than acknowledgements. */
constexpr size_t kRouteBatch = 64;
/** Usually the first look or the second finds it (2 to 3 ms); on a machine without a free core it takes longer. */
constexpr std::chrono::microseconds kDeliveryLook{300};
constexpr std::chrono::milliseconds kDeliveryMax{100};
/** A dead daemon's host stops accepting after this (law 2). */
constexpr uint32_t kValidS = 60;

}  // namespace

int LoAddresses::open() {
  lo_index_ = static_cast<int>(if_nametoindex("lo"));
  if (lo_index_ == 0) return errno;
  return socket_.open({}, true);
}

void LoAddresses::build(NetlinkRequest& request, Mode mode, const Ip& ip, uint32_t sequence) const {
  const bool v4 = ip.is_v4();
  ifaddrmsg body{};
  body.ifa_family = v4 ? AF_INET : AF_INET6;
  body.ifa_prefixlen = v4 ? 32 : 128;
  body.ifa_scope = RT_SCOPE_HOST;
  body.ifa_index = static_cast<unsigned>(lo_index_);
  const uint16_t common = NLM_F_REQUEST | NLM_F_ACK;
  if (mode == Mode::kRemove) request.begin(RTM_DELADDR, common, sequence, body);
  else request.begin(RTM_NEWADDR, common | NLM_F_CREATE | (mode == Mode::kAdd ? NLM_F_EXCL : NLM_F_REPLACE), sequence, body);
  const uint8_t* bytes = v4 ? ip.v4_bytes() : ip.bytes.data();
  const size_t size = v4 ? 4 : 16;
  request.attribute(IFA_LOCAL, bytes, size);
  request.attribute(IFA_ADDRESS, bytes, size);
  if (mode == Mode::kRemove) return;
  // preferred 0 for IPv6: deprecated, so never chosen as the source of the host's own traffic while another fits.
  // IPv4 has scope host for that, and would be shown as deprecated for nothing.
  const ifa_cacheinfo life{v4 ? kValidS : 0, kValidS, 0, 0};
  request.attribute(IFA_CACHEINFO, &life, sizeof life);
  request.attribute(IFA_PROTO, &kAddressProtocol, sizeof kAddressProtocol);
  if (!v4) {
    // The wire was asked before (law 5); DAD on lo would find nothing. No prefix route: the local table has the address.
    const uint32_t flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE;
    request.attribute(IFA_FLAGS, &flags, sizeof flags);
  }
}

std::vector<int> LoAddresses::apply(Mode mode, const std::vector<Ip>& addresses) {
  std::vector<int> errors(addresses.size(), EIO);
  for (size_t first = 0; first < addresses.size(); first += kBatch) {
    const size_t count = std::min(kBatch, addresses.size() - first);
    const uint32_t base = sequence_ + 1;
    sequence_ += static_cast<uint32_t>(count);
    NetlinkRequest request;
    for (size_t i = 0; i < count; i++) build(request, mode, addresses[first + i], base + static_cast<uint32_t>(i));
    if (const int error = socket_.send(request)) {
      std::fill_n(errors.begin() + static_cast<ptrdiff_t>(first), count, error);
      continue;
    }
    size_t answered = 0;
    while (answered < count) {
      const int error = socket_.receive([&](const nlmsghdr& message) {
        if (message.nlmsg_type != NLMSG_ERROR || message.nlmsg_seq - base >= count) return;
        errors[first + message.nlmsg_seq - base] = netlink_error(message);
        answered++;
      });
      // ENOBUFS: acknowledgements were lost; those addresses stay at EIO and the caller looks for himself.
      if (error != 0) break;
    }
  }
  return errors;
}

// The kernel acknowledges an IPv6 address at once, but puts its route into the local table later, in a work queue
// (addrconf_dad_work), also without duplicate address detection. Whoever announces before that loses what arrives meanwhile.
size_t LoAddresses::await_delivery(std::vector<Ip> addresses) {
  addresses.erase(std::remove_if(addresses.begin(), addresses.end(), [](const Ip& ip) { return ip.is_v4(); }), addresses.end());
  const auto end = std::chrono::steady_clock::now() + kDeliveryMax;
  while (!addresses.empty() && drop_delivered(addresses) && !addresses.empty() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kDeliveryLook);
  }
  return addresses.size();
}

bool LoAddresses::drop_delivered(std::vector<Ip>& addresses) {
  std::vector<Ip> left;
  for (size_t first = 0; first < addresses.size(); first += kRouteBatch) {
    const size_t count = std::min(kRouteBatch, addresses.size() - first);
    const uint32_t base = sequence_ + 1;
    sequence_ += static_cast<uint32_t>(count);
    NetlinkRequest request;
    for (size_t i = 0; i < count; i++) {
      rtmsg body{};
      body.rtm_family = AF_INET6;
      body.rtm_dst_len = 128;
      request.begin(RTM_GETROUTE, NLM_F_REQUEST, base + static_cast<uint32_t>(i), body);
      request.attribute(RTA_DST, addresses[first + i].bytes.data(), 16);
    }
    if (socket_.send(request) != 0) return false;
    std::vector<bool> local(count, false);
    size_t answered = 0;
    while (answered < count) {
      const int error = socket_.receive([&](const nlmsghdr& message) {
        if (message.nlmsg_seq - base >= count) return;
        answered++;
        if (message.nlmsg_type != RTM_NEWROUTE || message.nlmsg_len < NLMSG_LENGTH(sizeof(rtmsg))) return;
        local[message.nlmsg_seq - base] = static_cast<const rtmsg*>(NLMSG_DATA(&message))->rtm_type == RTN_LOCAL;
      });
      if (error != 0) return false;
    }
    for (size_t i = 0; i < count; i++) {
      if (!local[i]) left.push_back(addresses[first + i]);
    }
  }
  addresses = std::move(left);
  return true;
}

int LoAddresses::list(std::unordered_map<Ip, uint8_t, IpHash>& found) {
  found.clear();
  if (const int error = list_family(AF_INET, found)) return error;
  return list_family(AF_INET6, found);
}

int LoAddresses::list_family(int family, std::unordered_map<Ip, uint8_t, IpHash>& found) {
  ifaddrmsg body{};
  body.ifa_family = static_cast<uint8_t>(family);
  NetlinkRequest request;
  const uint32_t sequence = ++sequence_;
  request.begin(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, sequence, body);
  if (const int error = socket_.send(request)) return error;
  bool done = false;
  int failure = 0;
  while (!done) {
    const int error = socket_.receive([&](const nlmsghdr& message) {
      if (message.nlmsg_seq != sequence) return;
      if (message.nlmsg_type == NLMSG_DONE) done = true;
      if (message.nlmsg_type == NLMSG_ERROR) {
        failure = netlink_error(message);
        done = true;
      }
      Ip ip;
      int index = 0;
      uint8_t protocol = 0;
      if (message.nlmsg_type == RTM_NEWADDR && parse_address(message, ip, index, protocol) && index == lo_index_) {
        found[ip] = protocol;
      }
    });
    if (error != 0) return error;
  }
  return failure;
}

bool parse_address(const nlmsghdr& message, Ip& ip, int& interface_index, uint8_t& protocol) {
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(ifaddrmsg))) return false;
  const auto* body = static_cast<const ifaddrmsg*>(NLMSG_DATA(&message));
  interface_index = static_cast<int>(body->ifa_index);
  protocol = 0;
  bool found = false;
  bool local = false;
  each_attribute(IFA_RTA(body), IFA_PAYLOAD(&message), [&](const rtattr& a) {
    const auto* data = static_cast<const uint8_t*>(RTA_DATA(&a));
    const size_t size = RTA_PAYLOAD(&a);
    if (a.rta_type == IFA_PROTO && size == 1) protocol = data[0];
    // IFA_LOCAL wins over IFA_ADDRESS, which is the peer's on a point-to-point address.
    if (a.rta_type != IFA_LOCAL && (a.rta_type != IFA_ADDRESS || local)) return;
    if (body->ifa_family == AF_INET && size == 4) ip = Ip::v4(data);
    else if (body->ifa_family == AF_INET6 && size == 16) ip = Ip::v6(data);
    else return;
    found = true;
    local = a.rta_type == IFA_LOCAL;
  });
  return found;
}

}  // namespace vipd
