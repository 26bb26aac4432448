// What one interface's responder knows of addresses: owned, yielded, watched. Pure; one thread's own.
// It never holds the lease: that is one for the host, and asked for again before each frame.
#pragma once

#include <unordered_map>
#include <vector>

#include "packets/address.h"

namespace vipd {

enum class Hold : uint8_t {
  /** Not ours: known only because it is watched. */
  kNone,
  kOwned,
  /** The named heir was heard claiming it: silent until it is owned anew (law 6). */
  kYielded,
};

struct Entry {
  Hold hold = Hold::kNone;
  bool watched = false;
  /** Empty: the interface's own MAC, whatever it is now. */
  std::optional<Mac> mac;
  std::optional<Mac> heir;
  /** Rises when the address becomes owned: announcements queued under an older epoch are stale. */
  uint32_t epoch = 0;
  /** The last claim that was reported, for its rate limit. */
  Mac claim_mac;
  int64_t claim_ns = 0;
  bool claim_seen = false;
};

class Table {
 public:
  /** Upsert; arms a yielded one again. Returns true when it was not owned before. */
  bool own(const Ip& ip, std::optional<Mac> mac, std::optional<Mac> heir);
  /** True when it was owned or yielded. */
  bool release(const Ip& ip);
  /** True when it was not watched before. */
  bool watch(const Ip& ip);
  /** True when it was. */
  bool unwatch(const Ip& ip);
  const Entry* find(const Ip& ip) const;
  Entry* find(const Ip& ip);
  void yield_to_heir(Entry& entry);

  size_t owned_count() const { return owned_count_; }
  bool empty() const { return entries_.empty(); }
  const std::unordered_map<Ip, Entry, IpHash>& entries() const { return entries_; }

 private:
  std::unordered_map<Ip, Entry, IpHash> entries_;
  size_t owned_count_ = 0;
  uint32_t next_epoch_ = 1;
};

}  // namespace vipd
