// One UDP socket for the gossip: many datagrams a system call inwards, into memory that is there once; one a call outwards,
// and a short queue while the kernel takes no more. Boundary: no event loop, no JavaScript. Never blocks, never allocates at rest.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <deque>
#include <string>
#include <vector>

#include "os/sys.h"
#include "packets/address.h"

namespace vipd {

class UdpSocket {
 public:
  /** Datagrams taken in at once, and the room for each: no UDP datagram is larger. */
  static constexpr size_t kBatch = 32;
  static constexpr size_t kSlotBytes = 65'536;

  struct Arrival {
    uint32_t bytes = 0;
    uint16_t port = 0;
  };

  /** Bound to a literal address; `::` takes IPv4 as well, port 0 any port. Returns 0 or an errno. */
  int open(const Ip& host, bool v6, uint16_t port);
  void close();
  int fd() const { return fd_.get(); }
  uint16_t port() const { return port_; }

  /** Takes what has arrived, at most kBatch, into `memory` (kBatch slots); `errors` counts refusals of the kernel. */
  size_t receive(uint8_t* memory, uint32_t& errors);
  const Arrival& arrival(size_t i) const { return arrivals_[i]; }
  /** Its sender as the kernel prints it, with the interface where the address means nothing without. */
  std::string sender(size_t i) const;

  /** 0 where it is sent or waits to be; else an errno. */
  int send(const uint8_t* bytes, size_t size, const Ip& host, uint16_t port);
  bool has_waiting() const { return !waiting_.empty(); }
  /** The kernel takes more again. Returns how many it refused. */
  uint32_t flush();

 private:
  struct Waiting {
    std::vector<uint8_t> bytes;
    sockaddr_storage to;
    socklen_t to_size;
  };
  int transmit(const uint8_t* bytes, size_t size, const sockaddr_storage& to, socklen_t to_size);

  Fd fd_;
  bool v6_ = false;
  uint16_t port_ = 0;
  std::array<Arrival, kBatch> arrivals_{};
  std::array<sockaddr_in6, kBatch> senders_{};
  std::deque<Waiting> waiting_;
};

}  // namespace vipd
