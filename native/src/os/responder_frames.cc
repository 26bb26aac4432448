// The responder's hot path: a batch in, and for each frame a decision and at most one answer. Nothing is allocated for a
// frame that is answered. The lease is asked right before each frame leaves, never for a batch.
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
  const uint64_t lapsed_before = counters_.count(Ignore::kLeaseLapsed);
  for (const ReceivedFrame& received : received_) handle_frame(channel, received, now);
  channel.source->release();
  Port& port = *channel.port;
  if (received_.size() == FrameSource::kBatch && port.drops_due_ns == kNever) {
    // Only a queue that was long can have overflowed: the kernel's count is read once, when the crowd is over or goes on.
    port.drops_due_ns = now + 100 * kNsPerMs;
    rearm(now);
  }
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
  if (decision.ignore == Ignore::kNone) answer(port, *channel.source, frame, decision.mac);
  else counters_.ignore(decision.ignore);
}

void Responder::handle_claim(Port& port, const Frame& frame, const Claim& claim, int64_t now_ns) {
  Entry& entry = *port.table.find(claim.address);
  // What a neighbour answers to our own question is told by ask(), unless it contradicts an address of ours.
  const bool answer = frame.kind == Kind::kArpReply || frame.kind == Kind::kNeighborAdvert;
  if (entry.hold == Hold::kNone && answer && asker_.asks_for(port, claim.address)) return;
  if (claim.by_heir) port.table.yield_to_heir(entry);
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

void Responder::answer(Port& port, FrameSource& source, const Frame& frame, const Mac& mac) {
  ArpFrame arp;
  NdpFrame ndp;
  const uint8_t* data = arp.data();
  size_t size = arp.size();
  if (frame.kind == Kind::kArpRequest) {
    arp = build_arp_reply(frame, mac);
  } else {
    ndp = build_na_reply(frame, mac, NaFlags{port.router});
    data = ndp.bytes.data();
    size = ndp.size;
  }
  // Law 2: the process may have been frozen since the batch came in; nothing but the system call follows this look.
  if (!lease_.alive(boot_ns())) {
    counters_.ignore(Ignore::kLeaseLapsed);
    return;
  }
  if (const int error = source.send(data, size)) {
    counters_.ignore(Ignore::kSendFailed);
    trouble(port, "", error, "cannot send answers");
    return;
  }
  counters_.replies.fetch_add(1, std::memory_order_relaxed);
}

void Responder::read_drops(Port& port) {
  port.drops_due_ns = kNever;
  if (port.attached()) counters_.frames_dropped += port.arp->take_drops() + port.ndp->take_drops();
}

}  // namespace vipd
