// The responder and time: the lease's end, announcements in rounds, slow refreshes, questions; one timer for all.
#include <cerrno>

#include "os/responder.h"
#include "packets/arp.h"
#include "packets/ndp.h"

namespace vipd {

void Responder::tick() {
  int64_t now = boot_ns();
  check_lease(now);
  const std::vector<Port*> ended = asker_.pump(now);
  if (!ended.empty()) {
    // An interface that was opened for a question alone is closed again.
    for (Port* port : ended) port->interest_changed = true;
    reconcile();
  }
  for (auto& [name, port] : ports_) {
    if (port->drops_due_ns <= now) read_drops(*port, now);
    schedule_refreshes(*port, now);
    send_announcements(*port, now);
  }
  rearm(boot_ns());
}

void Responder::check_lease(int64_t now_ns) {
  const bool missed = lease_.take_missed_lapse();
  const bool alive = lease_.alive(now_ns);
  const bool owning = owned_count() > 0;
  const int64_t until = lease_.until_ns();
  // A lease that was given back (0) is silence by will, no lapse.
  const bool lapsed = missed || (!alive && until > 0);
  if (owning && lease_was_alive_ && lapsed) {
    counters_.lease_lapses++;
    Event event{};
    event.kind = Event::Kind::kLeaseLapsed;
    event.at_ns = missed ? now_ns : until;
    outbox_.post(std::move(event));
  }
  lease_was_alive_ = alive;
  if (!alive && owning) lease_.want_wake();
}

void Responder::send_announcements(Port& port, int64_t now_ns) {
  while (Round* round = port.announcements.current(now_ns)) {
    if (!lease_.alive(boot_ns())) {
      // They wait: what is still owned once the lease lives again has to be announced then.
      lease_.want_wake();
      return;
    }
    if (!send_round(port, *round, now_ns)) return;
    const Round done = port.announcements.finish(round);
    if (!done.report || done.sent.empty()) continue;
    Event event{};
    event.kind = Event::Kind::kAnnounced;
    event.interface = port.name;
    event.round = done.number;
    for (const Ip& ip : done.sent) event.addresses.push_back(to_text(ip));
    outbox_.post(std::move(event));
  }
}

bool Responder::send_round(Port& port, Round& round, int64_t now_ns) {
  if (!port.can_send()) {
    // Nobody hears it. When the link is back everything owned is announced anew.
    if (round.report) trouble(port, "", ENETDOWN, "link is down: nothing announced; done again when it is back");
    return true;
  }
  for (; round.cursor < round.addresses->size(); round.cursor++) {
    const Announced& item = (*round.addresses)[round.cursor];
    const Entry* entry = port.table.find(item.address);
    // Released, yielded, or owned anew under another announcement: this one is void.
    if (entry == nullptr || entry->hold != Hold::kOwned || entry->epoch != item.epoch) continue;
    const Mac mac = answering_mac(*entry, port.link.mac);
    if (mac.is_zero()) continue;
    const int frames = round.frames_for(item.address);
    if (!port.pacer.take(frames, now_ns)) return false;
    if (!announce_one(port, item.address, mac, frames)) {
      // The lease ended meanwhile: this address is the next to go when it lives again.
      lease_.want_wake();
      return false;
    }
    round.sent.push_back(item.address);
    port.broadcast_ns[mac] = now_ns;
  }
  return true;
}

bool Responder::announce_one(Port& port, const Ip& address, const Mac& mac, int frames) {
  if (!address.is_v4()) {
    const NdpFrame advert = build_unsolicited_na(address, mac, NaFlags{port.router});
    for (; frames > 0; frames--) {
      if (!send_announcement(port, *port.ndp, advert.bytes.data(), advert.size)) return false;
    }
    return true;
  }
  const ArpFrame request = build_gratuitous_request(address, mac);
  const ArpFrame reply = build_gratuitous_reply(address, mac);
  return send_announcement(port, *port.arp, request.data(), request.size()) &&
         send_announcement(port, *port.arp, reply.data(), reply.size());
}

bool Responder::send_announcement(Port& port, FrameSource& source, const uint8_t* data, size_t size) {
  // Law 2: the last look at the lease, for each frame.
  if (!lease_.alive(boot_ns())) return false;
  const int error = source.send(data, size);
  if (error == 0) {
    counters_.announcements.fetch_add(1, std::memory_order_relaxed);
  } else {
    // The next round, or the link's return, says it again.
    counters_.ignore(Ignore::kSendFailed);
    trouble(port, "", error, "cannot send announcements");
  }
  return true;
}

int64_t Responder::jittered(int64_t ns) {
  // RFC 5227 and RFC 4861 spread timers so that hosts that started together do not send together: here by a tenth.
  const int64_t tenth = ns / 10;
  return ns - tenth + static_cast<int64_t>(std::uniform_real_distribution<>(0, 2)(random_) * static_cast<double>(tenth));
}

void Responder::schedule_refreshes(Port& port, int64_t now_ns) {
  if (port.table.owned_count() == 0) {
    port.mac_refresh_due_ns = kNever;
    port.vip_refresh_due_ns = kNever;
    port.refresh_order.reset();
    return;
  }
  if (port.mac_refresh_due_ns == kNever) port.mac_refresh_due_ns = now_ns + jittered(options_.refresh_mac_ns);
  if (port.mac_refresh_due_ns <= now_ns) {
    refresh_macs(port, now_ns);
    port.mac_refresh_due_ns = now_ns + jittered(options_.refresh_mac_ns);
  }
  if (port.vip_refresh_due_ns == kNever || port.vip_refresh_due_ns <= now_ns) refresh_vips(port, now_ns);
}

void Responder::refresh_macs(Port& port, int64_t now_ns) {
  // One VIP for each MAC that has not been broadcast for three quarters of the period; the frame teaches the switches.
  std::map<Mac, Announced> quiet;
  for (const auto& [ip, entry] : port.table.entries()) {
    if (entry.hold != Hold::kOwned) continue;
    const Mac mac = answering_mac(entry, port.link.mac);
    const auto heard = port.broadcast_ns.find(mac);
    if (heard != port.broadcast_ns.end() && now_ns - heard->second < options_.refresh_mac_ns * 3 / 4) continue;
    quiet.emplace(mac, Announced{ip, entry.epoch});
  }
  auto list = std::make_shared<std::vector<Announced>>();
  for (const auto& [mac, item] : quiet) list->push_back(item);
  port.announcements.add(std::move(list), {now_ns}, false, kRefreshRound);
}

void Responder::refresh_vips(Port& port, int64_t now_ns) {
  // Every VIP once a period, evenly: one at a time, or a few every second where there are many.
  const size_t count = port.table.owned_count();
  const int64_t interval = std::max(kNsPerS, options_.refresh_vip_ns / static_cast<int64_t>(count));
  const bool first = port.vip_refresh_due_ns == kNever;
  port.vip_refresh_due_ns = now_ns + jittered(interval);
  if (first) return;
  if (!port.refresh_order || port.refresh_cursor >= port.refresh_order->size()) {
    port.refresh_order = port.all_owned();
    port.refresh_cursor = 0;
  }
  const double share = static_cast<double>(interval) / static_cast<double>(options_.refresh_vip_ns);
  size_t wanted = std::max<size_t>(1, static_cast<size_t>(share * static_cast<double>(count) + 0.999));
  auto list = std::make_shared<std::vector<Announced>>();
  for (; wanted > 0 && port.refresh_cursor < port.refresh_order->size(); wanted--) {
    list->push_back((*port.refresh_order)[port.refresh_cursor++]);
  }
  port.announcements.add(std::move(list), {now_ns}, false, kRefreshRound);
}

void Responder::rearm(int64_t now_ns) {
  int64_t due = asker_.next_due_ns();
  const bool alive = lease_.alive(now_ns);
  // The lease's end is looked at when it comes: extended meanwhile, the timer is set anew, once for each lease and not for each extension.
  if (alive && owned_count() > 0) due = std::min(due, lease_.until_ns());
  for (auto& [name, port] : ports_) {
    due = std::min({due, port->mac_refresh_due_ns, port->vip_refresh_due_ns, port->drops_due_ns});
    if (!alive || port->announcements.empty()) continue;
    const int64_t next = port->announcements.next_due_ns();
    due = std::min(due, next > now_ns ? next : port->pacer.ready_at(2, now_ns));
  }
  if (due == armed_ns_) return;
  armed_ns_ = due;
  arm_timer(timer_.get(), due);
}

}  // namespace vipd
