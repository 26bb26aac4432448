// Addresses on lo over rtnetlink: add, renew, remove, list, each in batches. Blocking, one thread's own; no policy.
// Ours are /32 or /128, scope host, short-lived (valid_lft) and tagged by IFA_PROTO (FACTS.md, section 1).
#pragma once

#include <unordered_map>
#include <vector>

#include "os/netlink.h"
#include "packets/address.h"

namespace vipd {

/** Our tag (rtnetlink's IFA_PROTO, Linux 5.18): "v". Below 4 the kernel has its own. */
constexpr uint8_t kAddressProtocol = 0x76;

class LoAddresses {
 public:
  /** 0 or errno. */
  int open();
  int lo_index() const { return lo_index_; }
  enum class Mode {
    /** EEXIST where it is there already. */
    kAdd,
    /** Adds, or renews the lifetime of a present one. */
    kRenew,
    /** EADDRNOTAVAIL where it is absent. */
    kRemove,
  };
  /** One errno for each address, in order. */
  std::vector<int> apply(Mode mode, const std::vector<Ip>& addresses);
  /**
   * Waits until the kernel delivers to these IPv6 addresses, some ms at most; the others are delivered to when they are added.
   * Returns how many are still not.
   */
  size_t await_delivery(std::vector<Ip> addresses);
  /** Every address on lo with its tag (0: none). Returns 0 or errno. */
  int list(std::unordered_map<Ip, uint8_t, IpHash>& found);

 private:
  void build(NetlinkRequest& request, Mode mode, const Ip& ip, uint32_t sequence) const;
  /** Takes those out that are routed to this host by now; false where the kernel could not be asked. */
  bool drop_delivered(std::vector<Ip>& addresses);
  int list_family(int family, std::unordered_map<Ip, uint8_t, IpHash>& found);

  NetlinkSocket socket_;
  int lo_index_ = 0;
  uint32_t sequence_ = 0;
};

/** The address and interface of an RTM_NEWADDR or RTM_DELADDR; false if it is malformed. */
bool parse_address(const nlmsghdr& message, Ip& ip, int& interface_index, uint8_t& protocol);

}  // namespace vipd
