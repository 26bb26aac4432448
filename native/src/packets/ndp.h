// Neighbour solicitation and advertisement (RFC 4861, 4.3 and 4.4): the only place that knows their bytes. Pure.
#pragma once

#include "packets/frame.h"

namespace vipd {

/** Ethernet 14 + IPv6 40 + ICMPv6 24 + one link-layer option 8. */
constexpr size_t kNdpFrameSize = 86;

Parsed parse_ndp(Bytes ethernet_frame, bool checksum_unfinished);

/** A frame of 86 bytes, or of 78 where there is no option (an NS from ::). */
struct NdpFrame {
  std::array<uint8_t, kNdpFrameSize> bytes{};
  size_t size = kNdpFrameSize;
};

struct NaFlags {
  /** As the interface's forwarding says (RFC 4861, 7.2.4). */
  bool router = false;
};

/** The answer to `solicit`: to the asker, or to ff02::1 with Solicited=0 where it asked from :: (DAD). Override=1. */
NdpFrame build_na_reply(const Frame& solicit, const Mac& mac, NaFlags flags);
/** Unsolicited NA to ff02::1, Override=1, with the target link-layer option (RFC 4861, 7.2.6). */
NdpFrame build_unsolicited_na(const Ip& vip, const Mac& mac, NaFlags flags);
/** NS to the solicited-node group. `source` unspecified: without option, as in DAD; the answer then goes to ff02::1. */
NdpFrame build_ns(const Ip& vip, const Ip& source, const Mac& mac);

}  // namespace vipd
