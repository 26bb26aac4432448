// The group's hosts in the kernel's tables of neighbours. A full table (gc_thresh3, one of each family for all namespaces of a machine)
// has no place for a host that is not in it: what is sent to that one is dropped, and its own questions stay unanswered. Entries that
// are learned externally (NTF_EXT_LEARNED) do not count and are never thrown out; otherwise they are like any other: resolved,
// probed and changed by the kernel. No threads, no policy.
#pragma once

#include <vector>

#include "packets/address.h"

namespace vipd {

/**
 * Keeps the entries of these hosts, of those of them that a route reaches without a gateway; begins to resolve those that are new.
 * Static entries and those that another program keeps stay as they are. Returns 0, or the first errno (EPERM: no CAP_NET_ADMIN;
 * EOPNOTSUPP: the kernel took the mark and does not have it).
 */
int keep_neighbours(const std::vector<Ip>& hosts);

/** Every entry that we keep, but those of `kept`, is an ordinary one again. Returns 0, or the first errno. */
int release_neighbours(const std::vector<Ip>& kept);

}  // namespace vipd
