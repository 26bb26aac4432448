// Owned, yielded and watched addresses of one interface. Pure.
#include "decision/table.h"

#include <utility>

namespace vipd {

bool Table::own(const Ip& ip, std::optional<Mac> mac, std::optional<Mac> heir) {
  Entry& entry = entries_[ip];
  const bool fresh = entry.hold != Hold::kOwned;
  if (fresh) {
    owned_count_++;
    entry.hold = Hold::kOwned;
    entry.epoch = next_epoch_++;
  }
  entry.mac = mac;
  entry.heir = heir;
  return fresh;
}

bool Table::release(const Ip& ip) {
  const auto it = entries_.find(ip);
  if (it == entries_.end() || it->second.hold == Hold::kNone) return false;
  if (it->second.hold == Hold::kOwned) owned_count_--;
  it->second.hold = Hold::kNone;
  it->second.mac.reset();
  it->second.heir.reset();
  if (!it->second.watched) entries_.erase(it);
  return true;
}

bool Table::watch(const Ip& ip) { return !std::exchange(entries_[ip].watched, true); }

bool Table::unwatch(const Ip& ip) {
  const auto it = entries_.find(ip);
  if (it == entries_.end() || !it->second.watched) return false;
  it->second.watched = false;
  if (it->second.hold == Hold::kNone) entries_.erase(it);
  return true;
}

const Entry* Table::find(const Ip& ip) const {
  const auto it = entries_.find(ip);
  return it == entries_.end() ? nullptr : &it->second;
}

Entry* Table::find(const Ip& ip) {
  const auto it = entries_.find(ip);
  return it == entries_.end() ? nullptr : &it->second;
}

void Table::yield_to_heir(Entry& entry) {
  if (entry.hold != Hold::kOwned) return;
  entry.hold = Hold::kYielded;
  owned_count_--;
}

}  // namespace vipd
