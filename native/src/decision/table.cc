// Owned, yielded and watched addresses of one interface. Pure.
#include "decision/table.h"

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

void Table::watch(const std::vector<Ip>& ips) {
  for (auto& [ip, entry] : entries_) entry.watched = false;
  for (const Ip& ip : ips) entries_[ip].watched = true;
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (it->second.hold == Hold::kNone && !it->second.watched) it = entries_.erase(it);
    else ++it;
  }
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
