// The decision table, in the order of the laws. Pure.
#include "decision/decide.h"

namespace vipd {
namespace {

bool is_ours(const Mac& mac, const Entry& entry, const Self& self) {
  if (entry.mac && *entry.mac == mac) return true;
  return self.interface_mac == mac || (self.own_macs != nullptr && self.own_macs->count(mac) != 0);
}

/** The address that a frame claims by its sender fields, if any (RFC 5227, 2.4; RFC 4861, 7.2.3 and 7.2.5). */
const Ip* claimed_address(const Frame& frame) {
  switch (frame.kind) {
    case Kind::kArpRequest:
    case Kind::kArpReply:
      return frame.sender.low32() == 0 ? nullptr : &frame.sender;
    case Kind::kNeighborAdvert:
      // Without the option it names no MAC; it is a NUD answer that confirms what the asker knew.
      return frame.has_option ? &frame.target : nullptr;
    case Kind::kNeighborSolicit:
      // Whoever hears it takes the option's MAC for the source's. A DAD question names no source, and claims nothing yet.
      return frame.has_option ? &frame.sender : nullptr;
  }
  return nullptr;
}

/** Why a frame that is not an answerable question is not one; kNone for a question. */
Ignore not_a_question(const Frame& frame) {
  switch (frame.kind) {
    case Kind::kArpRequest:
      return frame.sender == frame.target ? Ignore::kGratuitous : Ignore::kNone;
    case Kind::kArpReply:
      return frame.sender == frame.target ? Ignore::kGratuitous : Ignore::kNotARequest;
    case Kind::kNeighborAdvert:
      return frame.has_option ? Ignore::kNotARequest : Ignore::kNoLinkLayerOption;
    case Kind::kNeighborSolicit:
      return Ignore::kNone;
  }
  return Ignore::kNotARequest;
}

}  // namespace

Mac answering_mac(const Entry& entry, const Mac& interface_mac) { return entry.mac ? *entry.mac : interface_mac; }

Decision decide(const Frame& frame, const Table& table, const Self& self, bool lease_alive) {
  Decision decision;
  if (const Ip* address = claimed_address(frame)) {
    const Entry* entry = table.find(*address);
    if (entry != nullptr && !is_ours(frame.sender_mac, *entry, self)) {
      const bool by_heir = entry->hold == Hold::kOwned && entry->heir && *entry->heir == frame.sender_mac;
      decision.claim = Claim{*address, frame.sender_mac, by_heir};
    }
  }
  decision.ignore = not_a_question(frame);
  if (decision.ignore != Ignore::kNone) return decision;

  const Entry* entry = table.find(frame.target);
  if (entry == nullptr || entry->hold == Hold::kNone) {
    decision.ignore = Ignore::kNotOurs;
    return decision;
  }
  decision.mac = answering_mac(*entry, self.interface_mac);
  const bool asked_by_us = frame.ethernet_source == self.interface_mac || is_ours(frame.sender_mac, *entry, self);
  if (asked_by_us) decision.ignore = Ignore::kOwnFrame;
  // To an intent's own MAC it is for us all the same. To the interface's MAC it would not be another host's: it had a VLAN tag.
  else if (frame.other_host && (frame.ethernet_target != decision.mac || decision.mac == self.interface_mac))
    decision.ignore = Ignore::kOtherHost;
  else if (entry->hold == Hold::kYielded) decision.ignore = Ignore::kYielded;
  else if (!lease_alive) decision.ignore = Ignore::kLeaseLapsed;
  else if (decision.mac.is_zero()) decision.ignore = Ignore::kNoMac;
  return decision;
}

bool claim_is_due(Entry& entry, const Claim& claim, int64_t now_ns, int64_t interval_ns) {
  const bool repeated = entry.claim_seen && entry.claim_mac == claim.mac && now_ns - entry.claim_ns < interval_ns;
  if (repeated && !claim.by_heir) return false;
  entry.claim_seen = true;
  entry.claim_mac = claim.mac;
  entry.claim_ns = now_ns;
  return true;
}

}  // namespace vipd
