// The way in for every received frame: what the socket says of it first, then ARP or NDP by its EtherType. Pure.
#include "packets/frame.h"

#include "packets/arp.h"
#include "packets/ndp.h"

namespace vipd {

const char* ignore_name(Ignore reason) {
  switch (reason) {
    case Ignore::kNone: return "none";
    case Ignore::kOwnFrame: return "own-frame";
    case Ignore::kVlanTagged: return "vlan-tagged";
    case Ignore::kOtherHost: return "other-host";
    case Ignore::kTruncated: return "truncated";
    case Ignore::kOversized: return "oversized";
    case Ignore::kWrongHardwareType: return "wrong-hardware-type";
    case Ignore::kWrongProtocolType: return "wrong-protocol-type";
    case Ignore::kWrongLength: return "wrong-length";
    case Ignore::kWrongOpcode: return "wrong-opcode";
    case Ignore::kBadSenderMac: return "bad-sender-mac";
    case Ignore::kBadIpv6Header: return "bad-ipv6-header";
    case Ignore::kExtensionHeader: return "extension-header";
    case Ignore::kNotNeighborDiscovery: return "not-neighbour-discovery";
    case Ignore::kHopLimit: return "hop-limit";
    case Ignore::kBadCode: return "bad-code";
    case Ignore::kBadChecksum: return "bad-checksum";
    case Ignore::kBadOption: return "bad-option";
    case Ignore::kMulticastTarget: return "multicast-target";
    case Ignore::kMappedTarget: return "mapped-target";
    case Ignore::kUnspecifiedTarget: return "unspecified-target";
    case Ignore::kBadSource: return "bad-source";
    case Ignore::kBadDestination: return "bad-destination";
    case Ignore::kDadWithOption: return "dad-with-option";
    case Ignore::kNoLinkLayerOption: return "no-link-layer-option";
    case Ignore::kGratuitous: return "gratuitous";
    case Ignore::kNotARequest: return "not-a-request";
    case Ignore::kNotOurs: return "not-ours";
    case Ignore::kYielded: return "yielded";
    case Ignore::kLeaseLapsed: return "lease-lapsed";
    case Ignore::kNoMac: return "no-mac";
    case Ignore::kSendFailed: return "send-failed";
    case Ignore::kClaimRateLimited: return "claim-rate-limited";
    case Ignore::kCount: break;
  }
  return "unknown";
}

bool is_arp_probe(const Frame& frame) { return frame.kind == Kind::kArpRequest && frame.sender.low32() == 0; }

bool is_dad(const Frame& frame) { return frame.kind == Kind::kNeighborSolicit && frame.sender.is_v6_unspecified(); }

Parsed parse_frame(Bytes bytes, const FrameMeta& meta) {
  Parsed parsed;
  if (meta.outgoing) parsed.ignore = Ignore::kOwnFrame;
  else if (meta.vlan) parsed.ignore = Ignore::kVlanTagged;
  // The kernel takes the tag off a frame of a VLAN that this host does not have, and says only that it is another host's.
  // A broadcast or multicast frame that is another host's can be nothing else.
  else if (meta.other_host && bytes.size > 0 && (bytes.data[0] & 1) != 0) parsed.ignore = Ignore::kVlanTagged;
  else if (bytes.size < kEthernetHeaderSize) parsed.ignore = Ignore::kTruncated;
  if (parsed.ignore != Ignore::kNone) return parsed;

  const unsigned type = static_cast<unsigned>(bytes.data[12] << 8 | bytes.data[13]);
  // What was cut off an ARP frame can be padding only.
  if (type == 0x0806) parsed = parse_arp(bytes);
  else if (meta.oversized) parsed.ignore = Ignore::kOversized;
  else if (type == 0x86dd) parsed = parse_ndp(bytes, meta.checksum_unfinished);
  else parsed.ignore = Ignore::kNotNeighborDiscovery;
  parsed.frame.other_host = meta.other_host;
  return parsed;
}

}  // namespace vipd
