// A frame source on AF_PACKET: one socket bound to one interface and one EtherType, batches in by
// recvmmsg, frames out one by one (measured: sendmmsg is not faster here, and the lease is asked before each frame).
#pragma once

#include <linux/if_packet.h>

#include <memory>

#include "os/frame_source.h"
#include "os/sys.h"

namespace vipd {

class PacketSocket final : public FrameSource {
 public:
  /** `ether_type` in host order. 0 or errno. The filter is in force before the first frame can arrive. */
  int open(int interface_index, uint16_t ether_type, const Filter& filter);
  int fd() const override { return fd_.get(); }
  int receive(std::vector<ReceivedFrame>& frames) override;
  int send(const uint8_t* data, size_t size) override;
  int set_filter(const Filter& filter) override;
  uint64_t take_drops() override;

 private:
  static constexpr size_t kBufferSize = 2048;
  struct Slots;
  struct SlotsDelete {
    void operator()(Slots* slots) const;
  };
  FrameMeta meta_of(size_t slot) const;

  Fd fd_;
  std::unique_ptr<Slots, SlotsDelete> slots_;
  /** Slots that the last call filled. */
  size_t used_ = 0;
};

}  // namespace vipd
