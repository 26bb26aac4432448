// Set membership in classic BPF: sorted ranges of the 32 bits that matter, searched by halving. The 4096 instructions
// a program may have bound the ranges; beyond that neighbouring ranges are merged over the smallest gaps.
#include "os/filter.h"

#include <linux/if_ether.h>

#include <algorithm>
#include <set>

namespace vipd {
namespace {

constexpr uint32_t kAccept = 0xffffffff;
constexpr size_t kRangesMax = 256;
/** Values of a prefix word that are compared one by one. */
constexpr size_t kPrefixWordsMax = 16;

struct Range {
  uint32_t first;
  uint32_t last;
};

std::vector<Range> summarise(std::vector<uint32_t> values) {
  std::sort(values.begin(), values.end());
  std::vector<Range> ranges;
  for (const uint32_t value : values) {
    if (!ranges.empty() && value - ranges.back().last <= 1) ranges.back().last = value;
    else ranges.push_back({value, value});
  }
  if (ranges.size() <= kRangesMax) return ranges;
  // Keep the widest gaps only: what falls into a closed gap is merely looked at and ignored.
  std::vector<uint32_t> gaps;
  for (size_t i = 1; i < ranges.size(); i++) gaps.push_back(ranges[i].first - ranges[i - 1].last);
  std::nth_element(gaps.begin(), gaps.begin() + (kRangesMax - 1), gaps.end(), std::greater<>());
  const uint32_t least = gaps[kRangesMax - 1];
  std::vector<Range> merged;
  for (const Range& range : ranges) {
    if (!merged.empty() && range.first - merged.back().last <= least) merged.back().last = range.last;
    else merged.push_back(range);
  }
  return merged;
}

sock_filter statement(uint16_t code, uint32_t k) { return {code, 0, 0, k}; }

/** Points where membership flips: the first is the start of a range, the next the value after its end, and so on. */
std::vector<uint32_t> flips(const std::vector<Range>& ranges) {
  std::vector<uint32_t> points;
  for (const Range& range : ranges) {
    points.push_back(range.first);
    if (range.last != 0xffffffff) points.push_back(range.last + 1);
  }
  return points;
}

/**
 * Emits the search for A among points[low, high): a leaf accepts when an odd number of points lies at or below A.
 * `exits` collects the leaves that say no; they jump to the code behind the search.
 */
void emit_search(Filter& out, const std::vector<uint32_t>& points, size_t low, size_t high, std::vector<size_t>& exits) {
  if (low == high) {
    if (low % 2 == 1) {
      out.push_back(statement(BPF_RET | BPF_K, kAccept));
    } else {
      exits.push_back(out.size());
      out.push_back(statement(BPF_JMP | BPF_JA, 0));
    }
    return;
  }
  const size_t middle = low + (high - low) / 2;
  // A >= point: over the left half. Conditional jumps reach 255 only, hence the JA.
  out.push_back({BPF_JMP | BPF_JGE | BPF_K, 0, 1, points[middle]});
  const size_t jump = out.size();
  out.push_back(statement(BPF_JMP | BPF_JA, 0));
  emit_search(out, points, low, middle, exits);
  out[jump].k = static_cast<uint32_t>(out.size() - jump - 1);
  emit_search(out, points, middle + 1, high, exits);
}

/** Goes on behind if the word at `offset` is one of `values`, else to an exit; where they are too many to be told apart, goes on. */
void emit_one_of(Filter& out, uint32_t offset, const std::set<uint32_t>& values, std::vector<size_t>& exits) {
  if (values.size() > kPrefixWordsMax) return;
  out.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offset));
  auto left = static_cast<uint8_t>(values.size());
  // A hit jumps over the comparisons left and the exit.
  for (const uint32_t value : values) out.push_back({BPF_JMP | BPF_JEQ | BPF_K, left--, 0, value});
  exits.push_back(out.size());
  out.push_back(statement(BPF_JMP | BPF_JA, 0));
}

/** Accepts if the word at `offset` is in the set, else goes on behind, where `exits` lead, too. */
void emit_member(Filter& out, uint32_t offset, const std::vector<uint32_t>& points, std::vector<size_t> exits = {}) {
  out.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offset));
  emit_search(out, points, 0, points.size(), exits);
  for (const size_t at : exits) out[at].k = static_cast<uint32_t>(out.size() - at - 1);
}

/** The socket may listen to all EtherTypes (PacketSocket::hear_first). */
void emit_ether_type(Filter& out, uint32_t ether_type) {
  out.push_back(statement(BPF_LD | BPF_H | BPF_ABS, 12));
  out.push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ether_type});
  out.push_back(statement(BPF_RET | BPF_K, 0));
}

/** The distinct values of one 32-bit word of the IPv6 addresses. */
std::set<uint32_t> words_of(const std::vector<Ip>& addresses, uint32_t word) {
  std::set<uint32_t> values;
  for (const Ip& ip : addresses) {
    if (ip.is_v4()) continue;
    const uint8_t* at = ip.bytes.data() + size_t{4} * word;
    values.insert(uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3]);
  }
  return values;
}

std::vector<uint32_t> points_of(const std::vector<Ip>& addresses, bool v4) {
  std::vector<uint32_t> values;
  for (const Ip& ip : addresses) {
    if (ip.is_v4() == v4) values.push_back(ip.low32());
  }
  return flips(summarise(std::move(values)));
}

}  // namespace

Filter arp_filter(const std::vector<Ip>& addresses) {
  const std::vector<uint32_t> points = points_of(addresses, true);
  Filter out;
  if (!points.empty()) {
    emit_ether_type(out, ETH_P_ARP);
    // 14 bytes of Ethernet: target protocol address at 24, sender's at 14. A shorter frame ends the program with 0.
    emit_member(out, 14 + 24, points);
    emit_member(out, 14 + 14, points);
  }
  out.push_back(statement(BPF_RET | BPF_K, 0));
  return out;
}

Filter ndp_filter(const std::vector<Ip>& addresses) {
  const std::vector<uint32_t> points = points_of(addresses, false);
  Filter out;
  if (!points.empty()) {
    emit_ether_type(out, ETH_P_IPV6);
    // Next header 58 right behind the fixed header: extension headers end here (RFC 6980).
    out.push_back(statement(BPF_LD | BPF_B | BPF_ABS, 14 + 6));
    out.push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 58});
    out.push_back(statement(BPF_RET | BPF_K, 0));
    // Type: 135 is NS, 136 is NA.
    out.push_back(statement(BPF_LD | BPF_B | BPF_ABS, 14 + 40));
    out.push_back({BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 135});
    out.push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 136});
    out.push_back(statement(BPF_RET | BPF_K, 0));
    // The target, 8 bytes into the message, and the source, which an NS claims. The first three words, few where the VIPs share
    // prefixes, keep ::1 of another prefix asleep; the last one is searched.
    for (const uint32_t address : {14 + 40 + 8, 14 + 8}) {
      std::vector<size_t> exits;
      for (uint32_t word = 0; word < 3; word++) emit_one_of(out, address + 4 * word, words_of(addresses, word), exits);
      emit_member(out, address + 12, points, std::move(exits));
    }
  }
  out.push_back(statement(BPF_RET | BPF_K, 0));
  return out;
}

}  // namespace vipd
