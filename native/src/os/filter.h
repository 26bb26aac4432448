// Classic BPF programs that keep the thread asleep for frames that cannot concern it. A filter may let too much through
// (the decision table is exact) and must never let too little through.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "packets/address.h"

namespace vipd {

using Filter = std::vector<sock_filter>;

/**
 * ARP whose target or sender is one of `addresses` (summarised to ranges where they are many).
 * Empty list: nothing passes.
 */
Filter arp_filter(const std::vector<Ip>& addresses);
/** ICMPv6 NS and NA without extension headers, whose target or source ends like one of `addresses`. */
Filter ndp_filter(const std::vector<Ip>& addresses);

}  // namespace vipd
