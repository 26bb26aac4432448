// A neighbour message (ARP or NDP) as a value, and the one place that names why a frame is ignored.
// Pure: bytes in, value or reason out. What is done about a frame is decision/'s business.
#pragma once

#include "packets/address.h"

namespace vipd {

struct Bytes {
  const uint8_t* data;
  size_t size;
};

/** Why a frame was not answered. Every value is counted and shown by its name (ignore_name). */
enum class Ignore : uint8_t {
  kNone,
  kOwnFrame,
  kVlanTagged,
  kOtherHost,
  kTruncated,
  kOversized,
  kWrongHardwareType,
  kWrongProtocolType,
  kWrongLength,
  kWrongOpcode,
  kBadSenderMac,
  kBadIpv6Header,
  kExtensionHeader,
  kNotNeighborDiscovery,
  kHopLimit,
  kBadCode,
  kBadChecksum,
  kBadOption,
  kMulticastTarget,
  kMappedTarget,
  kUnspecifiedTarget,
  kBadSource,
  kBadDestination,
  kDadWithOption,
  kNoLinkLayerOption,
  kGratuitous,
  kNotARequest,
  kNotOurs,
  kYielded,
  kLeaseLapsed,
  kNoMac,
  kSendFailed,
  kClaimRateLimited,
  kCount,
};

const char* ignore_name(Ignore reason);

/** What the socket knows of a frame beside its bytes. */
struct FrameMeta {
  /** Sent by this host. */
  bool outgoing = false;
  /** Its destination is another host's MAC (seen by promiscuity or flooding only). */
  bool other_host = false;
  /** Carries a VLAN id other than 0: it belongs to another interface. A bare priority tag (id 0) does not. */
  bool vlan = false;
  /** Locally generated (veth) with the checksum left to the hardware: nothing to verify. */
  bool checksum_unfinished = false;
  /** Longer than its slot in the ring: the end is missing. */
  bool oversized = false;
};

enum class Kind : uint8_t { kArpRequest, kArpReply, kNeighborSolicit, kNeighborAdvert };

struct Frame {
  Kind kind = Kind::kArpRequest;
  Mac ethernet_source;
  Mac ethernet_target;
  /** ARP: sender hardware address. NS: source link-layer option, else the Ethernet source. NA: target link-layer option. */
  Mac sender_mac;
  /** ARP: sender protocol address. NS and NA: IPv6 source. */
  Ip sender;
  /** Whom it is about. */
  Ip target;
  /** NDP only: IPv6 destination. */
  Ip ip_destination;
  /** NDP only: the link-layer option was there. */
  bool has_option = false;
  bool other_host = false;
};

/** RFC 5227: sender protocol address 0.0.0.0. */
bool is_arp_probe(const Frame& frame);
/** RFC 4862, 5.4.3: from the unspecified address. */
bool is_dad(const Frame& frame);

struct Parsed {
  Ignore ignore = Ignore::kNone;
  Frame frame;
};

/** Parses one Ethernet frame (header included). Never reads beyond `bytes`. */
Parsed parse_frame(Bytes bytes, const FrameMeta& meta);

}  // namespace vipd
