// ARP for IPv4 over Ethernet (RFC 826, RFC 5227): the only place that knows its bytes. Pure.
#pragma once

#include "packets/frame.h"

namespace vipd {

constexpr size_t kEthernetHeaderSize = 14;
/** 14 + 28 bytes, padded to Ethernet's least payload, as some NICs send short frames unpadded. */
constexpr size_t kArpFrameSize = 60;

Parsed parse_arp(Bytes ethernet_frame);

using ArpFrame = std::array<uint8_t, kArpFrameSize>;

/** The answer to `request`: "request.target is at mac", to the asker alone. */
ArpFrame build_arp_reply(const Frame& request, const Mac& mac);
/** Gratuitous request: sender = target = VIP, target MAC zero (RFC 5227, 2.3), broadcast. */
ArpFrame build_gratuitous_request(const Ip& vip, const Mac& mac);
/** Gratuitous reply: target MAC = sender MAC, the only form of reply that changes a fresh Linux entry (FACTS.md, 2). */
ArpFrame build_gratuitous_reply(const Ip& vip, const Mac& mac);
/** Probe: sender 0.0.0.0 (RFC 5227, 2.1.1); asks without changing any cache. */
ArpFrame build_arp_probe(const Ip& vip, const Mac& mac);
/** An ordinary question (RFC 826): whoever hears it may learn that `source` is at `mac`. */
ArpFrame build_arp_request(const Ip& vip, const Ip& source, const Mac& mac);

}  // namespace vipd
