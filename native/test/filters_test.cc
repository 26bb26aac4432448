// The BPF programs, run by a small interpreter of the instructions that they use: nothing that concerns us is lost.
#include <random>

#include "check.h"
#include "os/filter.h"
#include "packets/arp.h"
#include "packets/ndp.h"

namespace vipd::test {
namespace {

/** 0: dropped. A load beyond the frame ends the program with 0, as in the kernel. */
uint32_t run(const Filter& filter, const uint8_t* data, size_t size) {
  uint32_t a = 0;
  for (size_t pc = 0; pc < filter.size(); pc++) {
    const sock_filter& i = filter[pc];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (i.k + 4 > size) return 0;
        a = uint32_t{data[i.k]} << 24 | uint32_t{data[i.k + 1]} << 16 | uint32_t{data[i.k + 2]} << 8 | data[i.k + 3];
        break;
      case BPF_LD | BPF_B | BPF_ABS:
        if (i.k >= size) return 0;
        a = data[i.k];
        break;
      case BPF_JMP | BPF_JGE | BPF_K: pc += a >= i.k ? i.jt : i.jf; break;
      case BPF_JMP | BPF_JEQ | BPF_K: pc += a == i.k ? i.jt : i.jf; break;
      case BPF_JMP | BPF_JA: pc += i.k; break;
      case BPF_RET | BPF_K: return i.k;
      default: check("the interpreter knows every instruction", false); return 0;
    }
  }
  check("a program ends with a return", false);
  return 0;
}

bool arp_passes(const Filter& filter, const Ip& vip) {
  const ArpFrame frame = build_arp_probe(vip, mac("02:00:00:00:00:09"));
  return run(filter, frame.data(), frame.size()) != 0;
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
  check("an answer that claims one of ours passes by its sender", run(few, reply.data(), reply.size()) != 0);
  check("a frame that ends before its addresses is dropped", run(few, reply.data(), 30) == 0);

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
  check("a solicitation of ours passes", run(ndp, ns.bytes.data(), ns.size) != 0);
  const NdpFrame na = build_unsolicited_na(ip("fd07::100"), mac("02:00:00:00:00:09"), {});
  check("an advertisement of ours passes", run(ndp, na.bytes.data(), na.size) != 0);
  const NdpFrame other = build_ns(ip("fd07::101"), ip("fe80::9"), mac("02:00:00:00:00:09"));
  check("a solicitation of another's does not", run(ndp, other.bytes.data(), other.size) == 0);
  NdpFrame hidden = ns;
  hidden.bytes[20] = 0;
  check("one behind a hop-by-hop header does not", run(ndp, hidden.bytes.data(), hidden.size) == 0);
}

}  // namespace vipd::test
