// libFuzzer's way in: any bytes with any meta must be parsed, decided and answered without a fault, and an answer of ours
// must itself parse as a frame that is never answered (no two responders may talk each other to death).
#include <cstdlib>

#include "bpf.h"
#include "decision/decide.h"
#include "packets/arp.h"
#include "packets/ndp.h"

using namespace vipd;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  FrameMeta meta;
  meta.outgoing = (data[0] & 1) != 0;
  meta.other_host = (data[0] & 2) != 0;
  meta.vlan = (data[0] & 4) != 0;
  // Usually believed: the fuzzer does not guess checksums.
  meta.checksum_unfinished = (data[0] & 8) == 0;
  const Parsed parsed = parse_frame({data + 1, size - 1}, meta);
  if (parsed.ignore != Ignore::kNone) return 0;
  Table table;
  table.own(parsed.frame.target, std::nullopt, std::nullopt);
  const Mac mac{{2, 0, 0, 0, 0, 0x7f}};
  const Decision decision = decide(parsed.frame, table, {mac, nullptr}, true);
  if (decision.ignore != Ignore::kNone) return 0;
  // The kernel's filter must let through whatever would be answered: the whole frame, for one address as among many.
  const std::vector<Ip> known{parsed.frame.target, *parse_ip("10.7.0.100"), *parse_ip("fd07::100")};
  const Filter filter = parsed.frame.kind == Kind::kArpRequest ? arp_filter(known) : ndp_filter(known);
  if (test::run_filter(filter, data + 1, size - 1) < size - 1) std::abort();
  Parsed again;
  if (parsed.frame.kind == Kind::kArpRequest) {
    const ArpFrame out = build_arp_reply(parsed.frame, decision.mac);
    again = parse_frame({out.data(), out.size()}, {});
  } else {
    const NdpFrame out = build_na_reply(parsed.frame, decision.mac, {});
    again = parse_frame({out.bytes.data(), out.size}, {});
  }
  if (again.ignore != Ignore::kNone) std::abort();
  if (decide(again.frame, table, {Mac{{2, 0, 0, 0, 0, 1}}, nullptr}, true).ignore == Ignore::kNone) std::abort();
  return 0;
}
