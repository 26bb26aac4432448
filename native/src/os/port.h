// One announcing interface as the responder's thread holds it: its sockets while it exists, its addresses whether or not.
// Belongs to the responder's thread.
#pragma once

#include <map>
#include <memory>

#include "decision/announcements.h"
#include "decision/flood.h"
#include "decision/table.h"
#include "os/flood_gate.h"
#include "os/link_monitor.h"
#include "os/packet_socket.h"

namespace vipd {

struct Port {
  Port(std::string port_name, double frames_per_second)
      : name(std::move(port_name)), pacer(frames_per_second), ask_pacer(frames_per_second) {}

  /** Opens both sockets. Returns 0 or errno; then nothing is open. */
  int attach(const Link& link);
  void detach();
  bool attached() const { return index != 0; }
  bool can_send() const { return attached() && link.up && link.carrier; }
  /** The filters follow `addresses`. Returns the first errno, 0 if none. */
  int refresh_filters(const std::vector<Ip>& addresses);
  /** What the table knows: owned, yielded, watched. */
  std::vector<Ip> known() const;
  std::vector<Ip> owned() const;
  /** For the flood's length: its questions end at ingress, heard by us before. 0 or errno; then all is as it was. */
  int guard();
  void unguard();
  /** Router flag of our NAs, as /proc says now. */
  void read_forwarding();
  FrameSource& source(const Ip& ip) { return ip.is_v4() ? *arp : *ndp; }
  std::shared_ptr<const std::vector<Announced>> all_owned() const;

  const std::string name;
  bool wanted = false;
  size_t asks = 0;
  bool interest_changed = true;
  int index = 0;
  Link link;
  LinkState reported;
  bool was_reported = false;
  bool router = false;
  Table table;
  std::unique_ptr<FrameSource> arp;
  std::unique_ptr<FrameSource> ndp;
  /** Keys of the sockets in epoll; 0: none. Never used twice, so that a stale event finds nothing. */
  uint64_t arp_key = 0;
  uint64_t ndp_key = 0;

  Announcements announcements;
  Pacer pacer;
  Pacer ask_pacer;
  /** Claims that are told, a second: what a rival's announcements at the default rate amount to. */
  Pacer claim_pacer{5000};
  /** When a frame with this source MAC was last broadcast, against FDB ageing. */
  std::map<Mac, int64_t> broadcast_ns;
  int64_t mac_refresh_due_ns = kNever;
  int64_t vip_refresh_due_ns = kNever;
  std::shared_ptr<const std::vector<Announced>> refresh_order;
  size_t refresh_cursor = 0;
  int64_t auto_announce_ns = 0;
  /** When to ask the kernel how many frames it dropped; kNever: no reason to. */
  int64_t drops_due_ns = kNever;
  Flood flood;
  FloodGate gate;
  /** What it keeps out. */
  std::vector<Ip> guarded;
  /** It could not be set in this flood. */
  bool gate_refused = false;
  std::map<int, int64_t> trouble_ns;
};

}  // namespace vipd
