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

/** Frames to be sent, fixed size slots: nothing is allocated on the hot path. */
class OutFrames {
 public:
  static constexpr size_t kFramesMax = 64;
  static constexpr size_t kFrameSizeMax = 96;

  bool full() const { return count_ == kFramesMax; }
  size_t count() const { return count_; }
  void clear() { count_ = 0; }
  void add(const uint8_t* data, size_t size) {
    std::memcpy(frames_[count_].data(), data, size);
    sizes_[count_++] = size;
  }
  uint8_t* data(size_t i) { return frames_[i].data(); }
  size_t size(size_t i) const { return sizes_[i]; }

 private:
  std::array<std::array<uint8_t, kFrameSizeMax>, kFramesMax> frames_;
  std::array<size_t, kFramesMax> sizes_{};
  size_t count_ = 0;
};

struct SendResult {
  size_t sent = 0;
  /** Of the first frame that was refused; 0: none. */
  int error = 0;
};

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  virtual int fd() const = 0;
  /** Up to one batch, valid until the next call. 0 or errno (ENETDOWN: an event, not the end); EAGAIN is an empty batch. */
  virtual int receive(std::vector<ReceivedFrame>& frames) = 0;
  virtual SendResult send(OutFrames& frames) = 0;
  virtual int set_filter(const Filter& filter) = 0;
  /** Frames the kernel dropped since the last call, for want of room. */
  virtual uint64_t take_drops() = 0;
};

}  // namespace vipd
