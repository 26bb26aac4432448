// The responder's hot path: a batch in, decisions, a batch out. Nothing is allocated for a frame that is answered.
#include <cerrno>

#include "os/responder.h"
#include "packets/arp.h"
#include "packets/ndp.h"

namespace vipd {

void Responder::handle_frames(const Channel& channel) {
  Port& port = *channel.port;
  FrameSource& source = *channel.source;
  // ENETDOWN, ENODEV: the link is down or going; rtnetlink tells it as an event. The socket lives on.
  if (source.receive(received_) != 0) return;
  const int64_t now = boot_ns();
  const bool alive = lease_.alive(now);
  const uint64_t lapsed_before = counters_.ignored[static_cast<size_t>(Ignore::kLeaseLapsed)].load();
  replies_.clear();
  for (const ReceivedFrame& received : received_) handle_frame(port, received, alive, now);
  flush_replies(port, source);
  if (received_.size() == OutFrames::kFramesMax && now - drops_read_ns_ > 100 * kNsPerMs) {
    drops_read_ns_ = now;
    counters_.frames_dropped += source.take_drops();
  }
  // Silent for the lease's sake: say so once, without waiting for the timer.
  if (counters_.ignored[static_cast<size_t>(Ignore::kLeaseLapsed)].load() != lapsed_before && lease_was_alive_) tick();
}

void Responder::handle_frame(Port& port, const ReceivedFrame& received, bool lease_alive, int64_t now_ns) {
  const Parsed parsed = parse_frame(received.bytes, received.meta);
  if (parsed.ignore != Ignore::kNone) {
    counters_.ignore(parsed.ignore);
    return;
  }
  const Frame& frame = parsed.frame;
  asker_.observe(port, frame, monitor_.macs(), now_ns);
  const Self self{port.link.mac, &monitor_.macs()};
  const Decision decision = decide(frame, port.table, self, lease_alive);
  if (decision.claim) handle_claim(port, frame, *decision.claim, now_ns);
  if (decision.ignore == Ignore::kNone) reply(port, frame, decision.mac);
  else counters_.ignore(decision.ignore);
}

void Responder::handle_claim(Port& port, const Frame& frame, const Claim& claim, int64_t now_ns) {
  Entry& entry = *port.table.find(claim.address);
  // What a neighbour answers to our own question is told by ask(), unless it contradicts an address of ours.
  const bool answer = frame.kind == Kind::kArpReply || frame.kind == Kind::kNeighborAdvert;
  if (entry.hold == Hold::kNone && answer && asker_.asks_for(port, claim.address)) return;
  if (claim.by_heir) {
    port.table.yield_to_heir(entry);
    // Answers of this batch that have not left are the first to be withheld.
    OutFrames kept;
    size_t count = 0;
    for (size_t i = 0; i < replies_.count(); i++) {
      if (reply_addresses_[i] == claim.address) continue;
      kept.add(replies_.data(i), replies_.size(i));
      reply_addresses_[count++] = reply_addresses_[i];
    }
    replies_ = kept;
  }
  if (!claim_is_due(entry, claim, now_ns, options_.claim_interval_ns)) {
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

void Responder::reply(Port& port, const Frame& frame, const Mac& mac) {
  reply_addresses_[replies_.count()] = frame.target;
  if (frame.kind == Kind::kArpRequest) {
    const ArpFrame out = build_arp_reply(frame, mac);
    replies_.add(out.data(), out.size());
  } else {
    const NdpFrame out = build_na_reply(frame, mac, NaFlags{port.router});
    replies_.add(out.bytes.data(), out.size);
  }
}

void Responder::flush_replies(Port& port, FrameSource& source) {
  if (replies_.count() == 0) return;
  // The last look at the lease, right before the system call: the process may have been frozen since the batch came in.
  if (!lease_.alive(boot_ns())) {
    counters_.ignore(Ignore::kLeaseLapsed, replies_.count());
    return;
  }
  const SendResult result = source.send(replies_);
  counters_.replies.fetch_add(result.sent, std::memory_order_relaxed);
  if (result.error == 0) return;
  counters_.ignore(Ignore::kSendFailed, replies_.count() - result.sent);
  trouble(port, "", result.error, "cannot send answers");
}

}  // namespace vipd
