// See flood_gate.h. The messages are those of nf_tables' netlink interface (linux/netfilter/nf_tables.h); what they say in nft's
// words stands beside each.
#include "os/flood_gate.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cerrno>

namespace vipd {
namespace {

constexpr const char* kChain = "questions";
/** Elements of a set in one message: an attribute's length has 16 bits. */
constexpr size_t kElementsMax = 1000;
constexpr uint16_t kNested = NLA_F_NESTED;

/** Messages of one batch, which the kernel takes as a whole or not at all. */
class Batch {
 public:
  explicit Batch(std::string table) : table_(std::move(table)) {
    begin(NFNL_MSG_BATCH_BEGIN, 0, nfgenmsg{AF_UNSPEC, NFNETLINK_V0, htons(NFNL_SUBSYS_NFTABLES)});
  }
  const NetlinkRequest& end() {
    begin(NFNL_MSG_BATCH_END, 0, nfgenmsg{AF_UNSPEC, NFNETLINK_V0, htons(NFNL_SUBSYS_NFTABLES)});
    return out_;
  }
  void message(int type, uint16_t flags, uint16_t table_attribute) {
    begin(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags, nfgenmsg{NFPROTO_NETDEV, NFNETLINK_V0, 0});
    text(table_attribute, table_);
  }
  void text(uint16_t type, const std::string& value) { out_.attribute(type, value.c_str(), value.size() + 1); }
  void number(uint16_t type, uint32_t value) {
    value = htonl(value);
    out_.attribute(type, &value, sizeof value);
  }
  template <typename Inside>
  void nest(uint16_t type, Inside inside) {
    const size_t at = out_.nest(type | kNested);
    inside();
    out_.end_nest(at);
  }
  template <typename Inside>
  void expression(const char* name, Inside inside) {
    nest(NFTA_LIST_ELEM, [&] {
      text(NFTA_EXPR_NAME, name);
      nest(NFTA_EXPR_DATA, inside);
    });
  }
  /** Loads `size` bytes of the packet from `offset` behind the Ethernet header (or of that itself) into the register. */
  void load(uint32_t offset, uint32_t size, uint32_t base = NFT_PAYLOAD_NETWORK_HEADER) {
    expression("payload", [&] {
      number(NFTA_PAYLOAD_DREG, NFT_REG_1);
      number(NFTA_PAYLOAD_BASE, base);
      number(NFTA_PAYLOAD_OFFSET, offset);
      number(NFTA_PAYLOAD_LEN, size);
    });
  }
  /** Goes on only if the register begins with these bytes. */
  void must_be(const std::vector<uint8_t>& bytes) {
    expression("cmp", [&] {
      number(NFTA_CMP_SREG, NFT_REG_1);
      number(NFTA_CMP_OP, NFT_CMP_EQ);
      nest(NFTA_CMP_DATA, [&] { out_.attribute(NFTA_DATA_VALUE, bytes.data(), bytes.size()); });
    });
  }
  /** Goes on only if the register's address is in the set. */
  void must_be_in(const char* set, uint32_t id) {
    expression("lookup", [&] {
      text(NFTA_LOOKUP_SET, set);
      number(NFTA_LOOKUP_SREG, NFT_REG_1);
      number(NFTA_LOOKUP_SET_ID, id);
    });
  }
  void value(const void* data, size_t size) { out_.attribute(NFTA_DATA_VALUE, data, size); }

 private:
  void begin(uint16_t type, uint16_t flags, const nfgenmsg& header) {
    out_.begin(type, static_cast<uint16_t>(NLM_F_REQUEST | flags), 0, header);
  }
  NetlinkRequest out_;
  std::string table_;
};

/** add table netdev T { flags owner; }; add chain … { type filter hook ingress device I priority 0; } */
void add_frame(Batch& batch, const std::string& interface) {
  batch.message(NFT_MSG_NEWTABLE, NLM_F_CREATE, NFTA_TABLE_NAME);
  batch.number(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
  batch.message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFTA_CHAIN_TABLE);
  batch.text(NFTA_CHAIN_NAME, kChain);
  batch.nest(NFTA_CHAIN_HOOK, [&] {
    batch.number(NFTA_HOOK_HOOKNUM, NF_NETDEV_INGRESS);
    batch.number(NFTA_HOOK_PRIORITY, 0);
    batch.text(NFTA_HOOK_DEV, interface);
  });
  batch.text(NFTA_CHAIN_TYPE, "filter");
  batch.number(NFTA_CHAIN_POLICY, NF_ACCEPT);
}

/** add set netdev T N { type ipv4_addr|ipv6_addr; elements = { … } } */
void add_set(Batch& batch, const char* name, uint32_t id, const std::vector<Ip>& addresses, bool v4) {
  // nft's own numbers of the types, for whoever lists the table; the kernel looks at the length only.
  constexpr uint32_t ipv4_addr = 7, ipv6_addr = 8;
  const size_t size = v4 ? 4 : 16;
  batch.message(NFT_MSG_NEWSET, NLM_F_CREATE, NFTA_SET_TABLE);
  batch.text(NFTA_SET_NAME, name);
  batch.number(NFTA_SET_FLAGS, 0);
  batch.number(NFTA_SET_KEY_TYPE, v4 ? ipv4_addr : ipv6_addr);
  batch.number(NFTA_SET_KEY_LEN, static_cast<uint32_t>(size));
  batch.number(NFTA_SET_ID, id);
  for (size_t first = 0; first < addresses.size(); first += kElementsMax) {
    batch.message(NFT_MSG_NEWSETELEM, NLM_F_CREATE, NFTA_SET_ELEM_LIST_TABLE);
    batch.text(NFTA_SET_ELEM_LIST_SET, name);
    batch.number(NFTA_SET_ELEM_LIST_SET_ID, id);
    batch.nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&] {
      for (size_t i = first; i < std::min(addresses.size(), first + kElementsMax); i++) {
        const uint8_t* bytes = addresses[i].bytes.data() + (v4 ? 12 : 0);
        batch.nest(NFTA_LIST_ELEM, [&] { batch.nest(NFTA_SET_ELEM_KEY, [&] { batch.value(bytes, size); }); });
      }
    });
  }
}

/** drop */
void add_drop(Batch& batch) {
  batch.expression("immediate", [&] {
    batch.number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    batch.nest(NFTA_IMMEDIATE_DATA, [&] {
      batch.nest(NFTA_DATA_VERDICT, [&] { batch.number(NFTA_VERDICT_CODE, NF_DROP); });
    });
  });
}

void add_rule(Batch& batch, uint16_t ether_type) {
  const bool arp = ether_type == ETH_P_ARP;
  batch.message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, NFTA_RULE_TABLE);
  batch.text(NFTA_RULE_CHAIN, kChain);
  batch.nest(NFTA_RULE_EXPRESSIONS, [&] {
    // As it came over the wire: a tagged frame is another network's, whatever it asks for.
    batch.load(12, 2, NFT_PAYLOAD_LL_HEADER);
    batch.must_be({static_cast<uint8_t>(ether_type >> 8), static_cast<uint8_t>(ether_type)});
    if (arp) {
      // A request for one of ours.
      batch.load(6, 2);
      batch.must_be({0, 1});
      batch.load(24, 4);
      batch.must_be_in("v4", 1);
    } else {
      // ICMPv6, NS, for one of ours.
      batch.load(6, 1);
      batch.must_be({58});
      batch.load(40, 1);
      batch.must_be({135});
      batch.load(48, 16);
      batch.must_be_in("v6", 2);
    }
    add_drop(batch);
  });
}

}  // namespace

int FloodGate::set(const std::string& interface, const std::vector<Ip>& addresses) {
  const bool replaces = is_set();
  if (!replaces) {
    table_ = "vipd-flood-" + interface + "-" + std::to_string(getpid());
    if (const int error = socket_.open({}, false, NETLINK_NETFILTER)) return error;
  }
  std::vector<Ip> v4, v6;
  for (const Ip& ip : addresses) (ip.is_v4() ? v4 : v6).push_back(ip);
  Batch batch(table_);
  if (replaces) batch.message(NFT_MSG_DELTABLE, 0, NFTA_TABLE_NAME);
  add_frame(batch, interface);
  add_set(batch, "v4", 1, v4, true);
  add_set(batch, "v6", 2, v6, false);
  add_rule(batch, ETH_P_ARP);
  add_rule(batch, ETH_P_IPV6);
  const int error = run(batch.end());
  if (error != 0) lift();
  return error;
}

void FloodGate::lift() {
  // The table goes with the socket that owns it.
  socket_.close();
}

int FloodGate::run(const NetlinkRequest& request) {
  if (const int error = socket_.send(request)) return error;
  // The kernel has answered before send returned. The first error tells why the batch was refused.
  int first = 0;
  const int error = socket_.receive([&first](const nlmsghdr& message) {
    if (message.nlmsg_type == NLMSG_ERROR && first == 0) first = netlink_error(message);
  });
  return first != 0 ? first : error;
}

}  // namespace vipd
