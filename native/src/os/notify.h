// sd_notify(3)'s protocol: one datagram to $NOTIFY_SOCKET. Node has no Unix datagram socket.
#pragma once

#include <string>

namespace vipd {

/** 0: sent; ENOENT: no $NOTIFY_SOCKET; else errno. */
int sd_notify(const std::string& message);

}  // namespace vipd
