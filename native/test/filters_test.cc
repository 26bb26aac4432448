// The BPF programs, run by a small interpreter of the instructions that they use: nothing that concerns us is lost.
#include <random>

#include "bpf.h"
#include "check.h"
#include "packets/arp.h"
#include "packets/ndp.h"

namespace vipd::test {
namespace {

bool arp_passes(const Filter& filter, const Ip& vip) {
  const ArpFrame frame = build_arp_probe(vip, mac("02:00:00:00:00:09"));
  return run_filter(filter, frame.data(), frame.size()) != 0;
}

Ip v4(uint32_t value) {
  const uint8_t bytes[4] = {static_cast<uint8_t>(value >> 24), static_cast<uint8_t>(value >> 16),
                            static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
  return Ip::v4(bytes);
}

}  // namespace

void filters() {
  check("an empty table lets no ARP through", !arp_passes(arp_filter({}), ip("10.7.0.1")));
  const Filter few = arp_filter({ip("10.7.0.100"), ip("10.7.0.101"), ip("255.255.255.254"), ip("0.0.0.1")});
  check("a request for one of ours passes", arp_passes(few, ip("10.7.0.101")));
  check("a request for a neighbour's does not", !arp_passes(few, ip("10.7.0.102")) && !arp_passes(few, ip("10.7.0.99")));
  check("the ends of the address space are no special case", arp_passes(few, ip("255.255.255.254")) && arp_passes(few, ip("0.0.0.1")));
  Frame asked;
  asked.kind = Kind::kArpRequest;
  asked.target = ip("10.7.0.100");
  asked.sender = ip("10.7.0.9");
  const ArpFrame reply = build_arp_reply(asked, mac("02:00:00:00:00:09"));
  check("an answer that claims one of ours passes by its sender", run_filter(few, reply.data(), reply.size()) != 0);
  ArpFrame other_type = reply;
  other_type[12] = 0x86;
  check("the same bytes of another EtherType do not", run_filter(few, other_type.data(), other_type.size()) == 0);
  check("a frame that ends before its addresses is dropped", run_filter(few, reply.data(), 30) == 0);

  std::mt19937 random(7);
  std::vector<Ip> many;
  for (int i = 0; i < 10'000; i++) many.push_back(v4(random()));
  const Filter large = arp_filter(many);
  check("ten thousand scattered addresses fit into one program", large.size() <= BPF_MAXINSNS);
  bool all = true;
  for (const Ip& ip : many) all = all && arp_passes(large, ip);
  check("and each of them passes", all);

  const Filter ndp = ndp_filter({ip("fd07::100")});
  const NdpFrame ns = build_ns(ip("fd07::100"), ip("fe80::9"), mac("02:00:00:00:00:09"));
  check("a solicitation of ours passes", run_filter(ndp, ns.bytes.data(), ns.size) != 0);
  const NdpFrame na = build_unsolicited_na(ip("fd07::100"), mac("02:00:00:00:00:09"), {});
  check("an advertisement of ours passes", run_filter(ndp, na.bytes.data(), na.size) != 0);
  const NdpFrame other = build_ns(ip("fd07::101"), ip("fe80::9"), mac("02:00:00:00:00:09"));
  check("a solicitation of another's does not", run_filter(ndp, other.bytes.data(), other.size) == 0);
  const NdpFrame same_tail = build_ns(ip("fd08::100"), ip("fe80::9"), mac("02:00:00:00:00:09"));
  check("a solicitation of the same tail under another prefix does not", run_filter(ndp, same_tail.bytes.data(), same_tail.size) == 0);
  const NdpFrame by_vip = build_ns(ip("fd07::3"), ip("fd07::100"), mac("02:00:00:00:00:09"));
  check("a solicitation of another's by one of ours passes", run_filter(ndp, by_vip.bytes.data(), by_vip.size) != 0);
  const NdpFrame by_tail = build_ns(ip("fd07::3"), ip("fd08::100"), mac("02:00:00:00:00:09"));
  check("by the same tail under another prefix it does not", run_filter(ndp, by_tail.bytes.data(), by_tail.size) == 0);
  NdpFrame other_protocol = ns;
  other_protocol.bytes[12] = 0x08;
  check("the same bytes of another EtherType do not", run_filter(ndp, other_protocol.bytes.data(), other_protocol.size) == 0);
  NdpFrame hidden = ns;
  hidden.bytes[20] = 0;
  check("one behind a hop-by-hop header does not", run_filter(ndp, hidden.bytes.data(), hidden.size) == 0);

  std::vector<Ip> scattered;
  for (int i = 0; i < 10'000; i++) {
    Ip one = ip("2001:db8::");
    for (size_t at = 4; at < 16; at++) one.bytes[at] = static_cast<uint8_t>(random());
    scattered.push_back(one);
  }
  const Filter wide = ndp_filter(scattered);
  check("ten thousand scattered IPv6 addresses fit into one program", wide.size() <= BPF_MAXINSNS);
  all = true;
  for (const Ip& one : scattered) {
    const NdpFrame frame = build_ns(one, ip("fe80::9"), mac("02:00:00:00:00:09"));
    const NdpFrame claim = build_ns(ip("fe80::9"), one, mac("02:00:00:00:00:09"));
    all = all && run_filter(wide, frame.bytes.data(), frame.size) != 0 && run_filter(wide, claim.bytes.data(), claim.size) != 0;
  }
  check("and each of them passes, too", all);
}

}  // namespace vipd::test
