// The responder's hot path: a batch in, and for each frame a decision and at most one answer. Nothing is allocated for a
// frame that is answered. The lease is asked right before a frame leaves; before a few, for as long as they can take together.
#include <algorithm>
#include <cerrno>

#include "os/responder.h"
#include "packets/arp.h"
#include "packets/ndp.h"

namespace vipd {
void Responder::handle_frames(const Channel& channel) {
  // ENETDOWN, ENODEV: the link is down or going; rtnetlink tells it as an event. The socket lives on.
  if (channel.source->receive(received_) != 0 || received_.empty()) return;
  const int64_t now = boot_ns();
  Port& port = *channel.port;
  // Only a queue that was long can have overflowed.
  if (received_.size() == FrameSource::kBatch && port.drops_due_ns == kNever) watch_drops(port, now);
  const uint64_t lapsed_before = counters_.count(Ignore::kLeaseLapsed);
  for (const ReceivedFrame& received : received_) {
    handle_frame(channel, received, now);
    if (answers_count_ == answers_.size()) send_answers(port, *channel.source);
  }
  send_answers(port, *channel.source);
  channel.source->release();
  // Silent for the lease's sake: say so once, without waiting for the timer.
  if (counters_.count(Ignore::kLeaseLapsed) != lapsed_before && lease_was_alive_) tick();
}

int64_t Responder::look_for_frames(int64_t now_ns) {
  const int64_t patience_ns = lookout_.patience_ns();
  if (patience_ns == 0) return now_ns;
  const int64_t until = std::min(now_ns + patience_ns, armed_ns_);
  bool found = false;
  int64_t now = now_ns;
  for (; !found && now < until; now = boot_ns()) {
    for (const auto& [key, channel] : channels_) found = found || channel.source->ready();
  }
  lookout_.looked(now - now_ns, found);
  return now;
}

void Responder::handle_frame(const Channel& channel, const ReceivedFrame& received, int64_t now_ns) {
  Port& port = *channel.port;
  const Parsed parsed = parse_frame(received.bytes, received.meta);
  if (parsed.ignore != Ignore::kNone) {
    counters_.ignore(parsed.ignore);
    return;
  }
  const Frame& frame = parsed.frame;
  asker_.observe(port, frame, monitor_.macs(), now_ns);
  const Self self{port.link.mac, &monitor_.macs()};
  const Decision decision = decide(frame, port.table, self, lease_.alive(now_ns));
  if (decision.claim) handle_claim(port, frame, *decision.claim, now_ns);
  if (decision.ignore == Ignore::kNone) answer(port, frame, decision.mac);
  else counters_.ignore(decision.ignore);
}

void Responder::handle_claim(Port& port, const Frame& frame, const Claim& claim, int64_t now_ns) {
  Entry& entry = *port.table.find(claim.address);
  // What a neighbour answers to our own question is told by ask(), unless it contradicts an address of ours.
  const bool answer = frame.kind == Kind::kArpReply || frame.kind == Kind::kNeighborAdvert;
  if (entry.hold == Hold::kNone && answer && asker_.asks_for(port, claim.address)) return;
  if (claim.by_heir) {
    port.table.yield_to_heir(entry);
    drop_answers_for(claim.address);
  }
  // A forger with ever new MACs must not drown the control plane: what is heard of strangers has a rate, the heir's word has none.
  const bool due = claim_is_due(entry, claim, now_ns, options_.claim_interval_ns);
  if (!due || (!claim.by_heir && !port.claim_pacer.take(1, now_ns))) {
    counters_.ignore(Ignore::kClaimRateLimited);
    return;
  }
  Event event{};
  event.kind = Event::Kind::kClaim;
  event.interface = port.name;
  event.address = to_text(claim.address);
  event.mac = to_text(claim.mac);
  event.flag = claim.by_heir;
  outbox_.post(std::move(event));
}

void Responder::answer(Port& port, const Frame& frame, const Mac& mac) {
  OutFrame& out = answers_[answers_count_++];
  out.address = frame.target;
  if (frame.kind == Kind::kArpRequest) {
    const ArpFrame arp = build_arp_reply(frame, mac);
    out.size = arp.size();
    std::copy(arp.begin(), arp.end(), out.bytes.begin());
  } else {
    const NdpFrame ndp = build_na_reply(frame, mac, NaFlags{port.router});
    out.size = ndp.size;
    std::copy(ndp.bytes.begin(), ndp.bytes.end(), out.bytes.begin());
  }
}

void Responder::send_answers(Port& port, FrameSource& source) {
  for (size_t next = 0; next < answers_count_;) {
    // Law 2: the process may have been frozen since the batch came in; nothing but the system call follows this look.
    const int64_t now = boot_ns();
    const size_t left = answers_count_ - next;
    const int64_t lasts_ns = lease_.until_ns() - now;
    if (lasts_ns <= 0) {
      counters_.ignore(Ignore::kLeaseLapsed, left);
      break;
    }
    // As many at once as the lease outlasts, however long each takes; at its end each asks for itself.
    const bool together = lasts_ns >= FrameSource::kSendLeaseNs;
    const size_t count = together ? std::min<size_t>(left, static_cast<size_t>(lasts_ns / FrameSource::kSendNs)) : 1;
    const int sent = count > 1 ? source.send_all(&answers_[next], count) : -source.send(answers_[next].bytes.data(), answers_[next].size);
    if (sent < 0) {
      counters_.ignore(Ignore::kSendFailed);
      trouble(port, "", -sent, "cannot send answers");
      next++;
      continue;
    }
    const auto gone = static_cast<size_t>(std::max(sent, 1));
    counters_.replies.fetch_add(gone, std::memory_order_relaxed);
    next += gone;
  }
  answers_count_ = 0;
}

void Responder::drop_answers_for(const Ip& address) {
  // Law 6: what was asked a moment before the heir's claim is the heir's to answer.
  const auto end = answers_.begin() + static_cast<std::ptrdiff_t>(answers_count_);
  const auto kept = std::remove_if(answers_.begin(), end, [&address](const OutFrame& out) { return out.address == address; });
  counters_.ignore(Ignore::kYielded, static_cast<uint64_t>(end - kept));
  answers_count_ = static_cast<size_t>(kept - answers_.begin());
}

void Responder::watch_drops(Port& port, int64_t now_ns) {
  port.drops_due_ns = now_ns + Flood::kWindowNs;
  rearm(now_ns);
}

void Responder::read_drops(Port& port, int64_t now_ns) {
  port.drops_due_ns = kNever;
  if (!port.attached()) return;
  const auto [arp_frames, arp_lost] = port.arp->take_tally();
  const auto [ndp_frames, ndp_lost] = port.ndp->take_tally();
  const uint64_t lost = arp_lost + ndp_lost;
  counters_.frames_dropped += lost;
  const bool lasted = port.flood.lasts();
  const bool lasts = port.flood.after(arp_frames + ndp_frames, lost);
  if (!lasted) port.gate_refused = false;
  // While the wire is being asked nothing may keep its answers from us, for however few ms.
  const bool asking = port.asks > 0;
  if (lasts && !asking && !port.gate_refused) guard_port(port, lost);
  if (!lasts && !asking && port.gate.is_set()) port.unguard();
  if (lasts || port.gate.is_set()) watch_drops(port, now_ns);
}

void Responder::guard_port(Port& port, uint64_t lost) {
  const bool was_set = port.gate.is_set();
  const int error = port.guard();
  port.gate_refused = error != 0;
  if (was_set && error == 0) return;
  const std::string told = "more questions than can be answered: " + std::to_string(lost) + " were lost within a tenth of a second; ";
  trouble(port, "", ENOBUFS,
          told + (error == 0 ? "until it is over an nftables table of this process keeps them from the kernel's own input"
                             : "nf_tables cannot keep them from the kernel's own input: " + errno_name(error)));
}

}  // namespace vipd
