// The seam between the responder and whatever brings frames in and takes them out: today a packet socket, later rings
// or an engine in the kernel. One interface, one protocol, one thread.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <vector>

#include "os/filter.h"
#include "packets/frame.h"

namespace vipd {

struct ReceivedFrame {
  Bytes bytes;
  FrameMeta meta;
};

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  virtual int fd() const = 0;
  /** Up to one batch, valid until the next call. 0 or errno (ENETDOWN: an event, not the end); EAGAIN is an empty batch. */
  virtual int receive(std::vector<ReceivedFrame>& frames) = 0;
  /** One frame: 0 or errno. The caller asks the lease right before, for each (law 2); a batch would outlive its check. */
  virtual int send(const uint8_t* data, size_t size) = 0;
  virtual int set_filter(const Filter& filter) = 0;
  /** A batch of this size says that more may wait, and that some may have been dropped. */
  static constexpr size_t kBatch = 64;
  /** Frames the kernel dropped since the last call, for want of room. */
  virtual uint64_t take_drops() = 0;
};

}  // namespace vipd
