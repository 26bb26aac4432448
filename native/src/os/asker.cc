// See asker.h.
#include "os/asker.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "packets/arp.h"
#include "packets/ndp.h"

namespace vipd {
namespace {

/** More addresses than these are asked for twice only: all rounds of a few leave in one burst, of many they are paced. */
constexpr size_t kThirdQuestionMax = 16;
/** An answerer that floods us with MACs: more than this for one address tell nothing new. */
constexpr size_t kAnswersMax = 16;

/** The interface's link-local address if it has a usable one, else ::. */
Ip link_local_of(int interface_index) {
  Ip found;
  std::FILE* file = std::fopen("/proc/net/if_inet6", "re");
  if (file == nullptr) return found;
  char hex[33];
  unsigned index, prefix, scope, flags;
  char name[32];
  while (std::fscanf(file, "%32s %x %x %x %x %31s", hex, &index, &prefix, &scope, &flags, name) == 6) {
    constexpr unsigned kTentativeOrFailed = 0x40 | 0x08;
    if (index != static_cast<unsigned>(interface_index) || scope != 0x20 || (flags & kTentativeOrFailed) != 0) continue;
    for (size_t i = 0; i < 16; i++) {
      unsigned byte = 0;
      std::sscanf(hex + i * 2, "%2x", &byte);
      found.bytes[i] = static_cast<uint8_t>(byte);
    }
    break;
  }
  std::fclose(file);
  return found;
}

}  // namespace

void Asker::begin(const AskRequest& request, Port& port, int64_t now_ns) {
  if (!port.attached()) {
    outbox_.complete({request.id, "ENODEV: interface " + port.name + " does not exist, is no Ethernet link, or is a member of a bond, bridge or VRF", {}, {}});
    return;
  }
  Ask ask{};
  ask.id = request.id;
  ask.port = &port;
  ask.timeout_ns = request.timeout_ns;
  ask.due_ns = now_ns;
  const bool said = request.source != Ip{};
  if (said && request.source.is_v4()) ask.arp_source = request.source;
  ask.ns_source = said && !request.source.is_v4() ? request.source : link_local_of(port.index);
  for (const Ip& ip : request.addresses) {
    if (!ask.by_address.emplace(ip, ask.items.size()).second) continue;
    Item item;
    item.address = ip;
    ask.items.push_back(item);
  }
  ask.questions = std::min(request.questions, ask.items.size() > kThirdQuestionMax ? 2 : 3);
  port.asks++;
  port.interest_changed = true;
  // The smallest first: a takeover's few questions do not wait for the pace of a planned move's thousands.
  const auto larger = [&ask](const Ask& other) { return other.items.size() > ask.items.size(); };
  asks_.insert(std::find_if(asks_.begin(), asks_.end(), larger), std::move(ask));
}

void Asker::observe(const Port& port, const Frame& frame, const std::set<Mac>& own_macs, int64_t now_ns) {
  if (asks_.empty() || frame.kind == Kind::kNeighborSolicit) return;
  const Ip& about = frame.kind == Kind::kNeighborAdvert ? frame.target : frame.sender;
  if (own_macs.count(frame.sender_mac) != 0) return;
  for (Ask& ask : asks_) {
    if (ask.port != &port) continue;
    const auto it = ask.by_address.find(about);
    if (it == ask.by_address.end()) continue;
    Item& item = ask.items[it->second];
    if (item.asked_ns == 0 || item.answers.size() >= kAnswersMax) continue;
    bool known = false;
    for (const auto& [mac, at] : item.answers) known = known || mac == frame.sender_mac;
    if (!known) item.answers.emplace_back(frame.sender_mac, now_ns);
  }
}

bool Asker::asks_for(const Port& port, const Ip& address) const {
  for (const Ask& ask : asks_) {
    if (ask.port == &port && ask.by_address.count(address) != 0) return true;
  }
  return false;
}

void Asker::send(Ask& ask, FrameSource& source, const uint8_t* data, size_t size) {
  const int error = source.send(data, size);
  if (error != 0) ask.last_error = error;
  else ask.frames_sent++;
}

void Asker::send_round(Ask& ask, int64_t now_ns) {
  Port& port = *ask.port;
  while (ask.cursor < ask.items.size() && port.ask_pacer.take(1, now_ns)) {
    Item& item = ask.items[ask.cursor++];
    if (item.asked_ns == 0) item.asked_ns = now_ns;
    if (item.address.is_v4()) {
      const ArpFrame frame = build_arp_request(item.address, ask.arp_source, port.link.mac);
      send(ask, *port.arp, frame.data(), frame.size());
    } else {
      const NdpFrame frame = build_ns(item.address, ask.ns_source, port.link.mac);
      send(ask, *port.ndp, frame.bytes.data(), frame.size);
    }
  }
  if (ask.cursor < ask.items.size()) {
    ask.due_ns = port.ask_pacer.ready_at(1, now_ns);
    return;
  }
  ask.cursor = 0;
  ask.round++;
  const int64_t third = ask.timeout_ns / 3;
  ask.due_ns = now_ns + (ask.round < ask.questions ? third : ask.timeout_ns - (ask.questions - 1) * third);
}

std::vector<Port*> Asker::pump(int64_t now_ns) {
  std::vector<Port*> ended;
  for (auto it = asks_.begin(); it != asks_.end();) {
    Ask& ask = *it;
    const bool gone = !ask.port->attached();
    if (!gone && ask.due_ns > now_ns) {
      ++it;
      continue;
    }
    if (!gone && ask.round < ask.questions) {
      send_round(ask, now_ns);
      ++it;
      continue;
    }
    if (gone) ask.last_error = ENODEV;
    finish(ask);
    ask.port->asks--;
    ask.port->interest_changed = true;
    ended.push_back(ask.port);
    it = asks_.erase(it);
  }
  return ended;
}

void Asker::finish(const Ask& ask) {
  Completion done{ask.id, "", {}, {}};
  // Not one question left: silence would be taken for "nobody has it", so it is an error.
  if (ask.frames_sent == 0 && ask.last_error != 0) {
    done.error = errno_name(ask.last_error) + ": cannot ask on " + ask.port->name;
  }
  for (const Item& item : ask.items) {
    for (const auto& [mac, at] : item.answers) {
      done.answers.push_back({to_text(item.address), to_text(mac), static_cast<double>(at - item.asked_ns) / kNsPerMs});
    }
  }
  outbox_.complete(std::move(done));
}

int64_t Asker::next_due_ns() const {
  int64_t due = kNever;
  for (const Ask& ask : asks_) due = std::min(due, ask.due_ns);
  return due;
}

std::vector<Ip> Asker::asked_on(const Port& port) const {
  std::vector<Ip> asked;
  for (const Ask& ask : asks_) {
    if (ask.port != &port) continue;
    for (const Item& item : ask.items) asked.push_back(item.address);
  }
  return asked;
}

void Asker::abort(const std::string& error) {
  for (const Ask& ask : asks_) outbox_.complete({ask.id, error, {}, {}});
  asks_.clear();
}

}  // namespace vipd
