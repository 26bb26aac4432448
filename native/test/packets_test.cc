// Golden frames, byte by byte, and every way in which a received frame can be wrong.
#include "check.h"
#include "packets/arp.h"
#include "packets/ndp.h"

namespace vipd::test {
namespace {

const std::string kRequest =
    "ffffffffffff 020000000002 0806 0001 0800 06 04 0001 020000000002 0a070002 000000000000 0a070064";
// From ndisc6's solicitation of fd07::100 (checksum by the kernel's rules).
std::vector<uint8_t> solicit() {
  const NdpFrame ns = build_ns(ip("fd07::100"), ip("fe80::2"), mac("02:00:00:00:00:02"));
  return {ns.bytes.begin(), ns.bytes.begin() + ns.size};
}

void golden() {
  const Ip vip = ip("10.7.0.100");
  const Mac own = mac("02:00:00:00:00:01");
  const std::string padding(36, '0');
  const Frame request = parse(from_hex(kRequest)).frame;
  const ArpFrame reply = build_arp_reply(request, own);
  check("an ARP reply goes to the asker alone, with our MAC and the VIP as sender",
        to_hex(reply.data(), reply.size()) == "0200000000020200000000010806000108000604000202000000000" "10a070064" "0200000000020a070002" + padding);
  const ArpFrame announce = build_gratuitous_request(vip, own);
  check("a gratuitous request has sender = target and target MAC zero",
        to_hex(announce.data(), announce.size()) == "ffffffffffff0200000000010806000108000604000102000000000" "10a070064" "0000000000000a070064" + padding);
  const ArpFrame second = build_gratuitous_reply(vip, own);
  check("a gratuitous reply has target MAC = sender MAC",
        to_hex(second.data(), second.size()) == "ffffffffffff0200000000010806000108000604000202000000000" "10a070064" "0200000000010a070064" + padding);
  const NdpFrame na = build_unsolicited_na(ip("fd07::100"), own, {false});
  check("an unsolicited NA goes to ff02::1 with Override, without Solicited, with the target link-layer option",
        to_hex(na.bytes.data(), na.size) ==
            "333300000001" "020000000001" "86dd" "60000000" "0020" "3aff" "fd070000000000000000000000000100"
            "ff020000000000000000000000000001" "8800" + to_hex(na.bytes.data() + 56, 2) + "20000000"
            "fd070000000000000000000000000100" "0201020000000001");
  check("a built NA has a right checksum, since the parser takes it", parse({na.bytes.begin(), na.bytes.end()}).ignore == Ignore::kNone);
}

void replies() {
  const Mac own = mac("02:00:00:00:00:01");
  const Frame frame = parse(solicit()).frame;
  const NdpFrame answer = build_na_reply(frame, own, {true});
  check("an NS is answered with Router (where forwarding), Solicited and Override", answer.bytes[58] == 0xe0);
  check("an NS is answered to the asker's option MAC", Mac::from(answer.bytes.data()) == mac("02:00:00:00:00:02"));
  const NdpFrame probe = build_ns(ip("fd07::100"), Ip{}, mac("02:00:00:00:00:02"));
  check("a DAD question carries no option", probe.size == 78);
  const Parsed dad = parse({probe.bytes.begin(), probe.bytes.begin() + probe.size});
  check("a DAD question is a question", dad.ignore == Ignore::kNone && is_dad(dad.frame));
  const NdpFrame to_all = build_na_reply(dad.frame, own, {});
  check("DAD is answered to ff02::1, Solicited=0, Override=1",
        to_all.bytes[58] == 0x20 && Mac::from(to_all.bytes.data()) == mac("33:33:00:00:00:01"));
}

void bad_arp() {
  struct Case {
    const char* sentence;
    size_t at;
    uint8_t value;
    Ignore reason;
  };
  for (const Case& c : {Case{"ARP of another hardware type is ignored", 15, 6, Ignore::kWrongHardwareType},
                        {"ARP for another protocol is ignored", 17, 1, Ignore::kWrongProtocolType},
                        {"ARP with another MAC length is ignored", 18, 8, Ignore::kWrongLength},
                        {"ARP with another address length is ignored", 19, 16, Ignore::kWrongLength},
                        {"RARP's opcode is ignored", 21, 3, Ignore::kWrongOpcode},
                        {"opcode 0 is ignored", 21, 0, Ignore::kWrongOpcode},
                        {"a group address as sender MAC is ignored", 22, 0x03, Ignore::kBadSenderMac}}) {
    std::vector<uint8_t> bytes = from_hex(kRequest);
    bytes[c.at] = c.value;
    check(c.sentence, parse(bytes).ignore == c.reason);
  }
  std::vector<uint8_t> whole = from_hex(kRequest);
  for (size_t size = 0; size < whole.size(); size++) {
    check("an ARP frame cut to " + std::to_string(size) + " bytes is truncated",
          parse({whole.begin(), whole.begin() + static_cast<long>(size)}).ignore == Ignore::kTruncated);
  }
  whole.resize(60);
  check("a padded ARP frame is fine", parse(whole).ignore == Ignore::kNone);
  FrameMeta meta;
  meta.vlan = true;
  check("a frame with a VLAN tag is not for this interface", parse(whole, meta).ignore == Ignore::kVlanTagged);
  meta = {};
  meta.other_host = true;
  check("a broadcast that the kernel calls another host's had a VLAN tag", parse(whole, meta).ignore == Ignore::kVlanTagged);
  meta = {};
  meta.outgoing = true;
  check("a frame that we sent is no question", parse(whole, meta).ignore == Ignore::kOwnFrame);
}

void bad_ndp() {
  struct Case {
    const char* sentence;
    size_t at;
    uint8_t value;
    Ignore reason;
  };
  // The checksum is left out where another rule is tried: a changed byte would trip it first.
  FrameMeta unchecked;
  unchecked.checksum_unfinished = true;
  for (const Case& c : {Case{"another IP version is ignored", 14, 0x40, Ignore::kBadIpv6Header},
                        {"a hop-by-hop header before the NS is refused", 20, 0, Ignore::kExtensionHeader},
                        {"a fragment header before the NS is refused", 20, 44, Ignore::kExtensionHeader},
                        {"a router advertisement is not ours to read", 54, 134, Ignore::kNotNeighborDiscovery},
                        {"a hop limit below 255 is refused", 21, 254, Ignore::kHopLimit},
                        {"a code other than 0 is refused", 55, 1, Ignore::kBadCode},
                        {"an option of length 0 is refused", 79, 0, Ignore::kBadOption},
                        {"an option longer than the message is refused", 79, 2, Ignore::kBadOption},
                        {"a multicast target is refused", 62, 0xff, Ignore::kMulticastTarget},
                        {"a multicast source is refused", 22, 0xff, Ignore::kBadSource},
                        {"an NS to another group is refused", 53, 0x99, Ignore::kBadDestination},
                        {"a payload beyond the frame is truncated", 19, 0xff, Ignore::kTruncated}}) {
    std::vector<uint8_t> bytes = solicit();
    bytes[c.at] = c.value;
    check(c.sentence, parse(bytes, unchecked).ignore == c.reason);
  }
  std::vector<uint8_t> bytes = solicit();
  const Ip mapped = ip("10.7.0.100");
  std::copy(mapped.bytes.begin(), mapped.bytes.end(), bytes.begin() + 62);
  check("found by the fuzzer: an IPv4-mapped target is not the IPv4 VIP", parse(bytes, unchecked).ignore == Ignore::kMappedTarget);
  std::fill(bytes.begin() + 62, bytes.begin() + 78, uint8_t{0});
  check("found by the fuzzer: nobody has the address ::", parse(bytes, unchecked).ignore == Ignore::kUnspecifiedTarget);
  bytes = solicit();
  bytes[70] ^= 1;
  check("a wrong checksum is refused", parse(bytes).ignore == Ignore::kBadChecksum);
  bytes = solicit();
  for (size_t i = 22; i < 38; i++) bytes[i] = 0;
  check("DAD with a source link-layer option is refused", parse(bytes, unchecked).ignore == Ignore::kDadWithOption);
  for (size_t size = 14; size < solicit().size(); size++) {
    const std::vector<uint8_t> all = solicit();
    check("an NS cut to " + std::to_string(size) + " bytes is not taken",
          parse({all.begin(), all.begin() + static_cast<long>(size)}).ignore != Ignore::kNone);
  }
}

}  // namespace

void packets() {
  golden();
  replies();
  bad_arp();
  bad_ndp();
}

}  // namespace vipd::test
