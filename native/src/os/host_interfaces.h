// The host's interfaces and their addresses at one instant, for `vipd check` and for "auto": two dumps over a socket of their
// own, on the caller's thread. Follows nothing (LinkMonitor does); keeps nothing open.
#pragma once

#include <string>
#include <vector>

#include "os/outbox.h"

namespace vipd {

struct HostAddress {
  std::string address;
  int prefix = 0;
  /** Tagged as ours: a VIP that this or an earlier run put there. */
  bool ours = false;
};

struct HostInterface {
  LinkState link;
  bool ethernet = false;
  std::vector<HostAddress> addresses;
};

/** 0 or errno. */
int read_host_interfaces(std::vector<HostInterface>& found);

}  // namespace vipd
