// NS and NA bytes, both ways, with RFC 4861's validation (7.1.1, 7.1.2). Pure; never answers or decides.
#include "packets/ndp.h"

#include "packets/arp.h"

namespace vipd {
namespace {

constexpr uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr uint8_t kNextHeaderIcmpv6 = 58;
constexpr uint8_t kHopLimit = 255;
constexpr uint8_t kTypeSolicit = 135;
constexpr uint8_t kTypeAdvert = 136;
constexpr uint8_t kOptionSourceLinkLayer = 1;
constexpr uint8_t kOptionTargetLinkLayer = 2;
constexpr uint8_t kFlagRouter = 0x80;
constexpr uint8_t kFlagSolicited = 0x40;
constexpr uint8_t kFlagOverride = 0x20;
constexpr size_t kIpv6HeaderSize = 40;
constexpr size_t kMessageSize = 24;
constexpr size_t kOptionSize = 8;
constexpr Ip kAllNodes{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

/** Ones' complement sum over the pseudo header (RFC 8200, 8.1) and the message; 0 where a received one is right. */
uint16_t checksum(const uint8_t* source, const uint8_t* destination, const uint8_t* message, size_t size) {
  uint32_t sum = kNextHeaderIcmpv6 + static_cast<uint32_t>(size);
  for (size_t i = 0; i < 16; i += 2) {
    sum += static_cast<uint32_t>(source[i] << 8 | source[i + 1]);
    sum += static_cast<uint32_t>(destination[i] << 8 | destination[i + 1]);
  }
  for (size_t i = 0; i + 1 < size; i += 2) sum += static_cast<uint32_t>(message[i] << 8 | message[i + 1]);
  if (size % 2 != 0) sum += static_cast<uint32_t>(message[size - 1] << 8);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

/** Walks the options; false where one has length 0 or overruns (RFC 4861, 4.6: the whole message is then dropped). */
bool read_options(const uint8_t* at, size_t size, uint8_t wanted, Frame& frame) {
  while (size > 0) {
    if (size < 2) return false;
    const size_t length = size_t{at[1]} * 8;
    if (length == 0 || length > size) return false;
    if (at[0] == wanted && !frame.has_option) {
      // Ethernet's option has exactly 8 bytes; a longer one belongs to another link type.
      if (length != kOptionSize) return false;
      frame.sender_mac = Mac::from(at + 2);
      frame.has_option = true;
    }
    at += length;
    size -= length;
  }
  return true;
}

/** The rules on addresses: RFC 4861, 7.1.1 for NS and 7.1.2 for NA. */
Ignore check_addresses(const Frame& frame) {
  if (frame.target.is_v6_multicast()) return Ignore::kMulticastTarget;
  // ::ffff:10.0.0.1 is no address of a wire (RFC 4291, 2.5.5.2), and here the key of the IPv4 VIP: an advertisement of it would
  // pass as a claim of that VIP.
  if (frame.target.is_v4()) return Ignore::kMappedTarget;
  // `::` is nobody's address (RFC 4291, 2.5.2), and no answer may come from it.
  if (frame.target.is_v6_unspecified()) return Ignore::kUnspecifiedTarget;
  if (frame.sender.is_v6_multicast()) return Ignore::kBadSource;
  if (frame.kind == Kind::kNeighborAdvert) {
    return frame.sender.is_v6_unspecified() ? Ignore::kBadSource : Ignore::kNone;
  }
  const bool to_group = frame.ip_destination.is_v6_multicast();
  if (to_group && frame.ip_destination != solicited_node(frame.target)) return Ignore::kBadDestination;
  if (!to_group && frame.ip_destination != frame.target) return Ignore::kBadDestination;
  if (!frame.sender.is_v6_unspecified()) return Ignore::kNone;
  if (!to_group) return Ignore::kBadDestination;
  return frame.has_option ? Ignore::kDadWithOption : Ignore::kNone;
}

struct NdpFields {
  Mac ethernet_source;
  Mac ethernet_target;
  Ip source;
  Ip destination;
  uint8_t type;
  uint8_t flags;
  Ip target;
  /** 0: no option. */
  uint8_t option;
};

NdpFrame build(const NdpFields& fields) {
  NdpFrame frame;
  const size_t payload = kMessageSize + (fields.option != 0 ? kOptionSize : 0);
  frame.size = kEthernetHeaderSize + kIpv6HeaderSize + payload;
  uint8_t* out = frame.bytes.data();
  std::memcpy(out, fields.ethernet_target.bytes.data(), 6);
  std::memcpy(out + 6, fields.ethernet_source.bytes.data(), 6);
  out[12] = kEtherTypeIpv6 >> 8;
  out[13] = kEtherTypeIpv6 & 0xff;
  uint8_t* ip = out + kEthernetHeaderSize;
  ip[0] = 0x60;
  ip[5] = static_cast<uint8_t>(payload);
  ip[6] = kNextHeaderIcmpv6;
  ip[7] = kHopLimit;
  std::memcpy(ip + 8, fields.source.bytes.data(), 16);
  std::memcpy(ip + 24, fields.destination.bytes.data(), 16);
  uint8_t* icmp = ip + kIpv6HeaderSize;
  icmp[0] = fields.type;
  icmp[4] = fields.flags;
  std::memcpy(icmp + 8, fields.target.bytes.data(), 16);
  if (fields.option != 0) {
    icmp[24] = fields.option;
    icmp[25] = 1;
    std::memcpy(icmp + 26, fields.ethernet_source.bytes.data(), 6);
  }
  const uint16_t sum = checksum(ip + 8, ip + 24, icmp, payload);
  icmp[2] = static_cast<uint8_t>(sum >> 8);
  icmp[3] = static_cast<uint8_t>(sum);
  return frame;
}

}  // namespace

Parsed parse_ndp(Bytes bytes, bool checksum_unfinished) {
  Parsed parsed;
  const auto ignore = [&parsed](Ignore reason) {
    parsed.ignore = reason;
    return parsed;
  };
  if (bytes.size < kEthernetHeaderSize + kIpv6HeaderSize) return ignore(Ignore::kTruncated);
  const uint8_t* ip = bytes.data + kEthernetHeaderSize;
  if (ip[0] >> 4 != 6) return ignore(Ignore::kBadIpv6Header);
  // RFC 6980 forbids fragments; no sender of NS or NA uses other extension headers, and hiding behind one is an old attack.
  if (ip[6] != kNextHeaderIcmpv6) return ignore(Ignore::kExtensionHeader);
  const size_t payload = static_cast<size_t>(ip[4] << 8 | ip[5]);
  if (payload > bytes.size - kEthernetHeaderSize - kIpv6HeaderSize) return ignore(Ignore::kTruncated);
  const uint8_t* icmp = ip + kIpv6HeaderSize;
  if (payload < 1 || (icmp[0] != kTypeSolicit && icmp[0] != kTypeAdvert)) return ignore(Ignore::kNotNeighborDiscovery);
  if (payload < kMessageSize) return ignore(Ignore::kTruncated);
  if (ip[7] != kHopLimit) return ignore(Ignore::kHopLimit);
  if (icmp[1] != 0) return ignore(Ignore::kBadCode);
  if (!checksum_unfinished && checksum(ip + 8, ip + 24, icmp, payload) != 0) return ignore(Ignore::kBadChecksum);

  Frame& frame = parsed.frame;
  const bool solicit = icmp[0] == kTypeSolicit;
  frame.kind = solicit ? Kind::kNeighborSolicit : Kind::kNeighborAdvert;
  frame.ethernet_target = Mac::from(bytes.data);
  frame.ethernet_source = Mac::from(bytes.data + 6);
  frame.sender_mac = frame.ethernet_source;
  frame.sender = Ip::v6(ip + 8);
  frame.ip_destination = Ip::v6(ip + 24);
  frame.target = Ip::v6(icmp + 8);
  const uint8_t wanted = solicit ? kOptionSourceLinkLayer : kOptionTargetLinkLayer;
  if (!read_options(icmp + kMessageSize, payload - kMessageSize, wanted, frame)) return ignore(Ignore::kBadOption);
  if (frame.sender_mac.is_group() || frame.sender_mac.is_zero()) return ignore(Ignore::kBadSenderMac);
  return ignore(check_addresses(frame));
}

NdpFrame build_na_reply(const Frame& solicit, const Mac& mac, NaFlags flags) {
  if (is_dad(solicit)) return build_unsolicited_na(solicit.target, mac, flags);
  const uint8_t bits = kFlagSolicited | kFlagOverride | (flags.router ? kFlagRouter : 0);
  return build({mac, solicit.sender_mac, solicit.target, solicit.sender, kTypeAdvert, static_cast<uint8_t>(bits),
                solicit.target, kOptionTargetLinkLayer});
}

NdpFrame build_unsolicited_na(const Ip& vip, const Mac& mac, NaFlags flags) {
  const uint8_t bits = kFlagOverride | (flags.router ? kFlagRouter : 0);
  return build({mac, multicast_mac(kAllNodes), vip, kAllNodes, kTypeAdvert, static_cast<uint8_t>(bits), vip,
                kOptionTargetLinkLayer});
}

NdpFrame build_ns(const Ip& vip, const Ip& source, const Mac& mac) {
  const Ip group = solicited_node(vip);
  const uint8_t option = source.is_v6_unspecified() ? 0 : kOptionSourceLinkLayer;
  return build({mac, multicast_mac(group), source, group, kTypeSolicit, 0, vip, option});
}

}  // namespace vipd
