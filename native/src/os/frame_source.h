// The seam between the responder and whatever brings frames in and takes them out: today a packet socket with a ring, later an
// engine in the kernel that answers by itself and passes up what it does not know. One interface, one protocol, one thread.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <vector>

#include "os/filter.h"
#include "packets/frame.h"

namespace vipd {

struct ReceivedFrame {
  Bytes bytes;
  FrameMeta meta;
};

/** An answer that waits to leave. */
struct OutFrame {
  std::array<uint8_t, 96> bytes;
  size_t size;
  /** Whom it answers for. */
  Ip address;
};

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  /** Readable when frames wait. */
  virtual int fd() const = 0;
  /** Whether frames wait, without a system call. */
  virtual bool ready() const = 0;
  /** Up to one batch, valid until release(). 0 or errno (ENETDOWN: an event, not the end); nothing there is an empty batch. */
  virtual int receive(std::vector<ReceivedFrame>& frames) = 0;
  /** Gives the last batch back: its bytes are gone. */
  virtual void release() = 0;
  /** One frame: 0 or errno. The caller asks the lease right before, for each (law 2). */
  virtual int send(const uint8_t* data, size_t size) = 0;
  /**
   * kSendBatch frames at most: how many left, or -errno of the first. The kernel may work off a flood inside of each transmission,
   * for 12 ms at the very worst (one softirq's 4 ms and one pass's 8), so the caller asks for kSendNs of lease for each before, and for
   * kSendLeaseNs in all, since the control plane, which ranks above us, may turn between two.
   */
  virtual int send_all(const OutFrame* frames, size_t count) = 0;
  static constexpr size_t kSendBatch = 32;
  static constexpr int64_t kSendNs = 12'500'000;
  static constexpr int64_t kSendLeaseNs = 100'000'000;
  virtual int set_filter(const Filter& filter) = 0;
  /** A batch of this size says that more may wait, and that some may have been dropped. */
  static constexpr size_t kBatch = 64;
  struct Tally {
    /** Frames that came in, or would have. */
    uint64_t frames;
    /** Of those, dropped by the kernel for want of room. */
    uint64_t dropped;
  };
  /** Since the last call. */
  virtual Tally take_tally() = 0;
  /** Whether frames are heard before nftables' ingress and the kernel's own input have them, or after. 0 or errno. */
  virtual int hear_first(bool first) = 0;
};

}  // namespace vipd
