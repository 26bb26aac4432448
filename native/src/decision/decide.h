// One frame, one decision: answer it, take it as a claim, or ignore it for a named reason. Pure and without effect:
// the caller sends, yields and counts. Law 1 (nothing but owned addresses), law 2 (the lease) and law 6 (the heir) meet here.
#pragma once

#include <set>

#include "decision/table.h"
#include "packets/frame.h"

namespace vipd {

/** What the host is on this interface. */
struct Self {
  Mac interface_mac;
  /** MACs of all of this host's interfaces: frames from them are no one else's claim. */
  const std::set<Mac>* own_macs = nullptr;
};

struct Claim {
  Ip address;
  Mac mac;
  /** It was the named heir: stop answering at once. */
  bool by_heir = false;
};

struct Decision {
  /** kNone: answer with `mac`. */
  Ignore ignore = Ignore::kNone;
  Mac mac;
  std::optional<Claim> claim;
};

Decision decide(const Frame& frame, const Table& table, const Self& self, bool lease_alive);

/** True when the claim is to be reported: the heir's always, any other's at most once per `interval_ns` and MAC. */
bool claim_is_due(Entry& entry, const Claim& claim, int64_t now_ns, int64_t interval_ns);

/** The MAC that an owned entry answers with. */
Mac answering_mac(const Entry& entry, const Mac& interface_mac);

}  // namespace vipd
