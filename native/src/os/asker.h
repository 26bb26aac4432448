// Questions to the wire (law 5): who has these addresses on this interface? Three questions an address (of many two, or one), spaced, paced;
// every answer is kept with its MAC and delay. Asking claims nothing, so it needs no lease. The responder's thread.
#pragma once

#include <list>
#include <unordered_map>

#include "os/outbox.h"
#include "os/port.h"
#include "packets/frame.h"

namespace vipd {

struct AskRequest {
  uint32_t id = 0;
  std::string interface;
  std::vector<Ip> addresses;
  int64_t timeout_ns = 0;
  /** How often each address is asked for: as often as RFC 5227 probes. One where every loss is to be seen. */
  int questions = 3;
  /** Who asks: for ARP the sender address, for NS the source of the packet. :: asks as usual (a probe; our link-local address). */
  Ip source;
};

class Asker {
 public:
  explicit Asker(Outbox& outbox) : outbox_(outbox) {}

  /** `port` is attached, or will answer "no such interface" at once. */
  void begin(const AskRequest& request, Port& port, int64_t now_ns);
  /** Takes note of a frame that tells who has an asked address. */
  void observe(const Port& port, const Frame& frame, const std::set<Mac>& own_macs, int64_t now_ns);
  /** True while someone waits to hear of `address` on `port`. */
  bool asks_for(const Port& port, const Ip& address) const;
  /** Sends what is due, ends what is over. Returns the ports whose asks ended (to be looked at again). */
  std::vector<Port*> pump(int64_t now_ns);
  int64_t next_due_ns() const;
  std::vector<Ip> asked_on(const Port& port) const;
  /** Ends all with an error: the threads stop. */
  void abort(const std::string& error);

 private:
  struct Item {
    Ip address;
    int64_t asked_ns = 0;
    std::vector<std::pair<Mac, int64_t>> answers;
  };
  struct Ask {
    uint32_t id;
    Port* port;
    int64_t timeout_ns;
    std::vector<Item> items;
    std::unordered_map<Ip, size_t, IpHash> by_address;
    /** Of an ARP question; :: is a probe. */
    Ip arp_source;
    /** Of a solicitation; :: where the interface has no usable address. */
    Ip ns_source;
    int questions;
    int round = 0;
    size_t cursor = 0;
    int64_t due_ns;
    size_t frames_sent = 0;
    int last_error = 0;
  };
  void send_round(Ask& ask, int64_t now_ns);
  void send(Ask& ask, FrameSource& source, const uint8_t* data, size_t size);
  void finish(const Ask& ask);

  Outbox& outbox_;
  std::list<Ask> asks_;
};

}  // namespace vipd
