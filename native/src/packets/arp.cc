// ARP bytes, both ways. RFC 826's layout, Ethernet and IPv4 only. Pure; never answers or decides.
#include "packets/arp.h"

namespace vipd {
namespace {

constexpr uint16_t kEtherTypeArp = 0x0806;
constexpr uint16_t kHardwareEthernet = 1;
constexpr uint16_t kProtocolIpv4 = 0x0800;
constexpr uint16_t kOpcodeRequest = 1;
constexpr uint16_t kOpcodeReply = 2;
constexpr size_t kArpSize = 28;

uint16_t read16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }

void write16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

struct ArpFields {
  Mac ethernet_target;
  uint16_t opcode;
  Mac sender_mac;
  Ip sender;
  Mac target_mac;
  Ip target;
};

ArpFrame build(const ArpFields& fields) {
  ArpFrame frame{};
  uint8_t* out = frame.data();
  std::memcpy(out, fields.ethernet_target.bytes.data(), 6);
  std::memcpy(out + 6, fields.sender_mac.bytes.data(), 6);
  write16(out + 12, kEtherTypeArp);
  uint8_t* arp = out + kEthernetHeaderSize;
  write16(arp, kHardwareEthernet);
  write16(arp + 2, kProtocolIpv4);
  arp[4] = 6;
  arp[5] = 4;
  write16(arp + 6, fields.opcode);
  std::memcpy(arp + 8, fields.sender_mac.bytes.data(), 6);
  std::memcpy(arp + 14, fields.sender.v4_bytes(), 4);
  std::memcpy(arp + 18, fields.target_mac.bytes.data(), 6);
  std::memcpy(arp + 24, fields.target.v4_bytes(), 4);
  return frame;
}

}  // namespace

Parsed parse_arp(Bytes bytes) {
  Parsed parsed;
  // Shorter than the fixed header: not even the types can be read.
  if (bytes.size < kEthernetHeaderSize + 8) {
    parsed.ignore = Ignore::kTruncated;
    return parsed;
  }
  const uint8_t* arp = bytes.data + kEthernetHeaderSize;
  // Hardware type 6 (IEEE 802) is taken as Ethernet by Linux for FDDI only; RFC 5227 hosts use 1.
  if (read16(arp) != kHardwareEthernet) parsed.ignore = Ignore::kWrongHardwareType;
  else if (read16(arp + 2) != kProtocolIpv4) parsed.ignore = Ignore::kWrongProtocolType;
  else if (arp[4] != 6 || arp[5] != 4) parsed.ignore = Ignore::kWrongLength;
  else if (bytes.size < kEthernetHeaderSize + kArpSize) parsed.ignore = Ignore::kTruncated;
  if (parsed.ignore != Ignore::kNone) return parsed;

  const uint16_t opcode = read16(arp + 6);
  if (opcode != kOpcodeRequest && opcode != kOpcodeReply) {
    parsed.ignore = Ignore::kWrongOpcode;
    return parsed;
  }
  Frame& frame = parsed.frame;
  frame.kind = opcode == kOpcodeRequest ? Kind::kArpRequest : Kind::kArpReply;
  frame.ethernet_target = Mac::from(bytes.data);
  frame.ethernet_source = Mac::from(bytes.data + 6);
  frame.sender_mac = Mac::from(arp + 8);
  frame.sender = Ip::v4(arp + 14);
  frame.target = Ip::v4(arp + 24);
  // An answer to a group address would be a broadcast on a stranger's behalf; a claim by one names nobody.
  if (frame.sender_mac.is_group() || frame.sender_mac.is_zero()) parsed.ignore = Ignore::kBadSenderMac;
  return parsed;
}

ArpFrame build_arp_reply(const Frame& request, const Mac& mac) {
  return build({request.sender_mac, kOpcodeReply, mac, request.target, request.sender_mac, request.sender});
}

ArpFrame build_gratuitous_request(const Ip& vip, const Mac& mac) {
  return build({kBroadcastMac, kOpcodeRequest, mac, vip, Mac{}, vip});
}

ArpFrame build_gratuitous_reply(const Ip& vip, const Mac& mac) {
  return build({kBroadcastMac, kOpcodeReply, mac, vip, mac, vip});
}

ArpFrame build_arp_probe(const Ip& vip, const Mac& mac) {
  return build_arp_request(vip, Ip{}, mac);
}

ArpFrame build_arp_request(const Ip& vip, const Ip& source, const Mac& mac) {
  return build({kBroadcastMac, kOpcodeRequest, mac, source, Mac{}, vip});
}

}  // namespace vipd
