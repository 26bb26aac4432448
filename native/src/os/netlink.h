// Netlink in small: a socket, a request builder, a walk over messages and attributes. No threads, no policy.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <functional>
#include <vector>

#include "os/sys.h"

namespace vipd {

/** A request under construction, several messages in one buffer if wanted. */
class NetlinkRequest {
 public:
  /** Begins a message; returns nothing: attributes go to the newest message. */
  template <typename Body>
  void begin(uint16_t type, uint16_t flags, uint32_t sequence, const Body& body) {
    start_ = buffer_.size();
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = flags;
    header.nlmsg_seq = sequence;
    append(&header, sizeof header);
    append(&body, sizeof body);
    close();
  }
  void attribute(uint16_t type, const void* data, size_t size);
  /** What is added until end_nest(what this returned) lies within one attribute. */
  size_t nest(uint16_t type);
  void end_nest(size_t at);
  const std::vector<uint8_t>& bytes() const { return buffer_; }
  void clear() { buffer_.clear(); }

 private:
  void append(const void* data, size_t size);
  void close();
  std::vector<uint8_t> buffer_;
  size_t start_ = 0;
};

class NetlinkSocket {
 public:
  /** `groups`: RTNLGRP_* numbers. Returns 0 or errno. */
  int open(const std::vector<int>& groups, bool blocking, int protocol = NETLINK_ROUTE);
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }
  /** 0 or errno. */
  int send(const NetlinkRequest& request);
  /** Reads what is there and hands over each message. 0: done for now (EAGAIN too); else errno (ENOBUFS: messages were lost). */
  int receive(const std::function<void(const nlmsghdr&)>& each);

 private:
  Fd fd_;
  bool blocking_ = false;
  std::vector<uint8_t> buffer_;
};

/** Walks attributes that start at `first` within a message. */
template <typename Each>
void each_attribute(const rtattr* first, size_t size, Each each) {
  int left = static_cast<int>(size);
  for (const rtattr* a = first; RTA_OK(a, left); a = RTA_NEXT(a, left)) each(*a);
}

/** Errno of an NLMSG_ERROR message (0: an acknowledgement). */
int netlink_error(const nlmsghdr& message);

}  // namespace vipd
