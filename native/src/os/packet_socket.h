// A frame source on AF_PACKET: one socket bound to one interface and one EtherType. Frames come in through a TPACKET_V2 ring
// (no system call and no copy a frame; a look at the ring costs a load), and go out one by one, or a few in one call.
// ARCHITECTURE.md has the figures.
#pragma once

#include <memory>

#include "os/frame_source.h"
#include "os/sys.h"

namespace vipd {

/** The ring's slots. A frame that does not fit into one is cut, and says so. */
struct RingShape {
  /** A power of two that divides kBlockSize; the kernel's header takes 66 bytes of it. */
  unsigned slot_size;
  unsigned slots;
  static constexpr unsigned kBlockSize = 65536;
};

/**
 * 2 and 8 MiB. ARP says all in its first 42 bytes; an NS may fill an Ethernet frame with options. The slots are many because the
 * kernel takes questions in and we answer them in turns of some ms: under a flood a ring is what one turn leaves to the next.
 */
constexpr RingShape kArpRing{256, 8192};
constexpr RingShape kNdpRing{2048, 4096};

class PacketSocket final : public FrameSource {
 public:
  PacketSocket() = default;
  ~PacketSocket() override;
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;

  /** `ether_type` in host order. 0 or errno. The filter is in force before the first frame can arrive. */
  int open(int interface_index, uint16_t ether_type, const RingShape& shape, const Filter& filter);
  int fd() const override { return fd_.get(); }
  bool ready() const override;
  int receive(std::vector<ReceivedFrame>& frames) override;
  void release() override;
  int send(const uint8_t* data, size_t size) override;
  int send_all(const OutFrame* frames, size_t count) override;
  int set_filter(const Filter& filter) override;
  Tally take_tally() override;
  int hear_first(bool first) override;

 private:
  int open_ring();
  int bind_to(uint16_t ether_type);
  uint8_t* slot(unsigned index) const { return ring_ + size_t{index} * shape_.slot_size; }

  Fd fd_;
  RingShape shape_{};
  int interface_index_ = 0;
  uint16_t ether_type_ = 0;
  uint8_t* ring_ = nullptr;
  /** The slot that the kernel fills next, or has filled. */
  unsigned head_ = 0;
  /** Slots before the head that were handed out and are not given back yet. */
  unsigned taken_ = 0;
};

}  // namespace vipd
