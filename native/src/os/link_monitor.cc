// See link_monitor.h.
#include "os/link_monitor.h"

#include <linux/if_link.h>
#include <linux/if.h>
#include <net/if_arp.h>

#include <cerrno>

namespace vipd {

int LinkMonitor::open() {
  if (const int error = socket_.open({RTNLGRP_LINK, RTNLGRP_IPV6_NETCONF}, false)) return error;
  request_dump();
  return 0;
}

void LinkMonitor::request_dump() {
  if (dumping_) {
    // The kernel runs one dump a socket (EBUSY otherwise): repeat it when this one is done.
    dump_again_ = true;
    return;
  }
  ifinfomsg body{};
  NetlinkRequest request;
  generation_++;
  request.begin(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, generation_, body);
  dumping_ = socket_.send(request) == 0;
}

bool LinkMonitor::read() {
  changed_ = false;
  const int error = socket_.receive([this](const nlmsghdr& message) { handle(message); });
  // ENOBUFS: notifications were lost; only a fresh dump tells the truth now.
  if (error == ENOBUFS) {
    dumping_ = false;
    request_dump();
  }
  return changed_;
}

void LinkMonitor::handle(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
      upsert(message);
      break;
    case RTM_DELLINK: {
      const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
      // A bridge reports the loss of a port as RTM_DELLINK of family AF_BRIDGE: the link itself lives.
      if (info->ifi_family != AF_UNSPEC) break;
      links_.erase(info->ifi_index);
      index_macs();
      changed_ = true;
      break;
    }
    case RTM_NEWNETCONF:
      changed_ = true;
      break;
    case NLMSG_DONE:
      if (message.nlmsg_seq == generation_) {
        finish_dump();
      } else if (dump_again_ && !dumping_) {
        // The end of the older dump that made the newer one EBUSY.
        dump_again_ = false;
        request_dump();
      }
      break;
    case NLMSG_ERROR:
      if (message.nlmsg_seq != generation_ || netlink_error(message) == 0) break;
      dumping_ = false;
      dump_again_ = true;
      break;
    default:
      break;
  }
  // The tables changed while they were dumped (rtnetlink(7)): once more.
  if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) dump_again_ = true;
}

void LinkMonitor::upsert(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) return;
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  if (info->ifi_family != AF_UNSPEC) return;
  Link link;
  link.index = info->ifi_index;
  link.ethernet = info->ifi_type == ARPHRD_ETHER;
  link.up = (info->ifi_flags & IFF_UP) != 0;
  // LOWER_UP is the carrier; RUNNING moreover asks for operstate UP (a bond without a working member is not).
  link.carrier = (info->ifi_flags & IFF_LOWER_UP) != 0 && (info->ifi_flags & IFF_RUNNING) != 0;
  link.generation = generation_;
  each_attribute(IFLA_RTA(info), IFLA_PAYLOAD(&message), [&link](const rtattr& a) {
    const size_t size = RTA_PAYLOAD(&a);
    if (a.rta_type == IFLA_IFNAME && size > 0) link.name.assign(static_cast<const char*>(RTA_DATA(&a)), size - 1);
    if (a.rta_type == IFLA_ADDRESS && size == 6) link.mac = Mac::from(static_cast<const uint8_t*>(RTA_DATA(&a)));
    if (a.rta_type == IFLA_MTU && size == 4) std::memcpy(&link.mtu, RTA_DATA(&a), 4);
    if (a.rta_type == IFLA_MASTER && size == 4) std::memcpy(&link.master, RTA_DATA(&a), 4);
    if (a.rta_type == IFLA_LINKINFO) {
      each_attribute(static_cast<const rtattr*>(RTA_DATA(&a)), size, [&link](const rtattr& info) {
        if (info.rta_type != IFLA_INFO_SLAVE_KIND || RTA_PAYLOAD(&info) == 0) return;
        link.master_kind.assign(static_cast<const char*>(RTA_DATA(&info)),
                                strnlen(static_cast<const char*>(RTA_DATA(&info)), RTA_PAYLOAD(&info)));
      });
    }
  });
  links_[link.index] = std::move(link);
  // A dump's links are indexed once, at its end.
  if (!dumping_) index_macs();
  changed_ = true;
}

void LinkMonitor::finish_dump() {
  dumping_ = false;
  if (dump_again_) {
    dump_again_ = false;
    request_dump();
    return;
  }
  for (auto it = links_.begin(); it != links_.end();) {
    if (it->second.generation != generation_) it = links_.erase(it);
    else ++it;
  }
  index_macs();
  ready_ = true;
  changed_ = true;
}

void LinkMonitor::index_macs() {
  macs_.clear();
  for (const auto& [index, link] : links_) {
    if (link.ethernet && !link.mac.is_zero()) macs_.insert(link.mac);
  }
}

const Link* LinkMonitor::find(const std::string& name) const {
  for (const auto& [index, link] : links_) {
    if (link.name == name) return &link;
  }
  return nullptr;
}

LinkState LinkMonitor::state_of(const std::string& name) const {
  LinkState state;
  state.name = name;
  const Link* link = find(name);
  if (link == nullptr) return state;
  state.index = link->index;
  state.mac = to_text(link->mac);
  state.up = link->up;
  state.carrier = link->carrier;
  state.mtu = link->mtu;
  state.master = link->master;
  if (link->master == 0) return state;
  const auto master = links_.find(link->master);
  // It may live in another namespace, or come later in the dump: then its number has to do.
  state.master_name = master != links_.end() ? master->second.name : "#" + std::to_string(link->master);
  state.master_kind = link->master_kind;
  return state;
}

}  // namespace vipd
