// The laws at one frame: who is answered, who is not and why, what is a claim, whom we yield to.
#include "check.h"
#include "decision/decide.h"

namespace vipd::test {
namespace {

const Mac kOwn = mac("02:00:00:00:00:01");
const Mac kSecondNic = mac("02:00:00:00:01:01");
const Mac kHeir = mac("02:00:00:00:00:02");
const Mac kStranger = mac("02:00:00:00:00:09");
const std::set<Mac> kOurs{kOwn, kSecondNic};

Frame frame_of(Kind kind, const Mac& from, const char* sender, const char* target) {
  Frame frame;
  frame.kind = kind;
  frame.ethernet_source = from;
  frame.ethernet_target = kBroadcastMac;
  frame.sender_mac = from;
  frame.sender = ip(sender);
  frame.target = ip(target);
  frame.has_option = kind == Kind::kNeighborAdvert || (kind == Kind::kNeighborSolicit && !frame.sender.is_v6_unspecified());
  return frame;
}

Table table_of() {
  Table table;
  table.own(ip("10.7.0.100"), std::nullopt, kHeir);
  table.own(ip("fd07::100"), std::nullopt, kHeir);
  table.own(ip("10.7.0.101"), mac("02:76:00:00:00:01"), std::nullopt);
  table.watch(ip("10.7.0.200"));
  table.watch(ip("10.7.0.100"));
  return table;
}

void questions() {
  struct Case {
    const char* sentence;
    Frame frame;
    bool lease;
    Ignore expected;
  };
  Frame unicast_elsewhere = frame_of(Kind::kArpRequest, kStranger, "10.7.0.9", "10.7.0.100");
  unicast_elsewhere.other_host = true;
  unicast_elsewhere.ethernet_target = kHeir;
  Frame tagged_to_us = unicast_elsewhere;
  tagged_to_us.ethernet_target = kOwn;
  Frame to_virtual_mac = frame_of(Kind::kArpRequest, kStranger, "10.7.0.9", "10.7.0.101");
  to_virtual_mac.other_host = true;
  to_virtual_mac.ethernet_target = mac("02:76:00:00:00:01");
  for (const Case& c :
       {Case{"a request for an owned address is answered", frame_of(Kind::kArpRequest, kStranger, "10.7.0.9", "10.7.0.100"), true, Ignore::kNone},
        {"a probe (sender 0.0.0.0) for an owned address is answered", frame_of(Kind::kArpRequest, kStranger, "0.0.0.0", "10.7.0.100"), true, Ignore::kNone},
        {"a solicitation of an owned address is answered", frame_of(Kind::kNeighborSolicit, kStranger, "fe80::9", "fd07::100"), true, Ignore::kNone},
        {"DAD for an owned address is answered", frame_of(Kind::kNeighborSolicit, kStranger, "::", "fd07::100"), true, Ignore::kNone},
        {"nothing is answered without a lease", frame_of(Kind::kArpRequest, kStranger, "10.7.0.9", "10.7.0.100"), false, Ignore::kLeaseLapsed},
        {"another's address is not answered", frame_of(Kind::kArpRequest, kStranger, "10.7.0.9", "10.7.0.3"), true, Ignore::kNotOurs},
        {"a watched address is not answered", frame_of(Kind::kArpRequest, kStranger, "10.7.0.9", "10.7.0.200"), true, Ignore::kNotOurs},
        {"our second NIC's question is not answered", frame_of(Kind::kArpRequest, kSecondNic, "10.7.0.1", "10.7.0.100"), true, Ignore::kOwnFrame},
        {"a frame to another host's MAC is not answered", unicast_elsewhere, true, Ignore::kOtherHost},
        {"a frame to our MAC that the kernel calls another host's (a VLAN's) is not answered", tagged_to_us, true, Ignore::kOtherHost},
        {"a frame to the intent's own MAC is answered", to_virtual_mac, true, Ignore::kNone},
        {"a gratuitous request is not answered", frame_of(Kind::kArpRequest, kStranger, "10.7.0.100", "10.7.0.100"), true, Ignore::kGratuitous},
        {"an ARP reply is not answered", frame_of(Kind::kArpReply, kStranger, "10.7.0.9", "10.7.0.100"), true, Ignore::kNotARequest},
        {"an NA is not answered", frame_of(Kind::kNeighborAdvert, kStranger, "fd07::9", "fd07::100"), true, Ignore::kNotARequest}}) {
    check(c.sentence, decide(c.frame, table_of(), {kOwn, &kOurs}, c.lease).ignore == c.expected);
  }
  const Frame request = frame_of(Kind::kArpRequest, kStranger, "10.7.0.9", "10.7.0.101");
  check("an intent's own MAC is answered with", decide(request, table_of(), {kOwn, &kOurs}, true).mac == mac("02:76:00:00:00:01"));
}

void claims() {
  struct Case {
    const char* sentence;
    Frame frame;
    bool claim;
    bool by_heir;
  };
  for (const Case& c :
       {Case{"a stranger's gratuitous request claims", frame_of(Kind::kArpRequest, kStranger, "10.7.0.100", "10.7.0.100"), true, false},
        {"a stranger's gratuitous reply claims", frame_of(Kind::kArpReply, kStranger, "10.7.0.100", "10.7.0.100"), true, false},
        {"an ordinary request with the VIP as sender claims", frame_of(Kind::kArpRequest, kStranger, "10.7.0.100", "10.7.0.3"), true, false},
        {"a claim of a watched address is told", frame_of(Kind::kArpReply, kStranger, "10.7.0.200", "10.7.0.200"), true, false},
        {"the heir's gratuitous request is the heir's claim", frame_of(Kind::kArpRequest, kHeir, "10.7.0.100", "10.7.0.100"), true, true},
        {"the heir's NA is the heir's claim", frame_of(Kind::kNeighborAdvert, kHeir, "fd07::100", "fd07::100"), true, true},
        {"the heir of one address is a stranger for another", frame_of(Kind::kArpRequest, kHeir, "10.7.0.101", "10.7.0.101"), true, false},
        {"a probe claims nothing", frame_of(Kind::kArpRequest, kHeir, "0.0.0.0", "10.7.0.100"), false, false},
        {"a DAD question claims nothing", frame_of(Kind::kNeighborSolicit, kHeir, "::", "fd07::100"), false, false},
        {"an NS with the VIP as source claims", frame_of(Kind::kNeighborSolicit, kStranger, "fd07::100", "fd07::3"), true, false},
        {"the owner's own NS claims nothing", frame_of(Kind::kNeighborSolicit, kSecondNic, "fd07::100", "fd07::3"), false, false},
        {"our own second NIC claims nothing", frame_of(Kind::kArpRequest, kSecondNic, "10.7.0.100", "10.7.0.100"), false, false},
        {"an address that nobody watches is nobody's business", frame_of(Kind::kArpReply, kStranger, "10.7.0.3", "10.7.0.3"), false, false}}) {
    const Decision decision = decide(c.frame, table_of(), {kOwn, &kOurs}, true);
    check(c.sentence, decision.claim.has_value() == c.claim && (!c.claim || decision.claim->by_heir == c.by_heir));
  }
}

void yielding() {
  Table table = table_of();
  const Frame request = frame_of(Kind::kArpRequest, kStranger, "10.7.0.9", "10.7.0.100");
  const uint32_t epoch = table.find(ip("10.7.0.100"))->epoch;
  table.yield_to_heir(*table.find(ip("10.7.0.100")));
  check("a yielded address is silent", decide(request, table, {kOwn, &kOurs}, true).ignore == Ignore::kYielded);
  check("a yielded address is not counted as owned", table.owned_count() == 2);
  table.own(ip("10.7.0.100"), std::nullopt, std::nullopt);
  check("a new intent arms a yielded address again", decide(request, table, {kOwn, &kOurs}, true).ignore == Ignore::kNone);
  check("and under a new epoch, so that old announcements are void", table.find(ip("10.7.0.100"))->epoch != epoch);
  table.release(ip("10.7.0.100"));
  check("a released address is silent", decide(request, table, {kOwn, &kOurs}, true).ignore == Ignore::kNotOurs);
  check("a released address stays watched", table.find(ip("10.7.0.100")) != nullptr);
  check("to watch it again is no news", !table.watch(ip("10.7.0.100")));
  check("nor is it to watch no longer what was not watched", !table.unwatch(ip("10.7.0.101")));
  check("an address that is watched no longer is told apart", table.unwatch(ip("10.7.0.100")));
  check("an address neither held nor watched is forgotten", table.find(ip("10.7.0.100")) == nullptr);
}

void rate_limit() {
  Entry entry;
  const Claim claim{ip("10.7.0.100"), kStranger, false};
  check("the first claim is told", claim_is_due(entry, claim, 1000, 100));
  check("the same claim within the interval is not", !claim_is_due(entry, claim, 1050, 100));
  check("another MAC's claim is told at once", claim_is_due(entry, Claim{ip("10.7.0.100"), kHeir, false}, 1051, 100));
  check("the same claim is told again after the interval", claim_is_due(entry, Claim{ip("10.7.0.100"), kHeir, false}, 1200, 100));
  check("the heir's claim is always told", claim_is_due(entry, Claim{ip("10.7.0.100"), kHeir, true}, 1201, 100));
}

}  // namespace

void decisions() {
  questions();
  claims();
  yielding();
  rate_limit();
}

}  // namespace vipd::test
