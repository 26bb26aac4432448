// Text forms of addresses, and the IPv6 multicast addresses that are derived from them. Pure.
#include "packets/address.h"

#include <arpa/inet.h>

#include <cstdio>

namespace vipd {

Ip solicited_node(const Ip& target) {
  static constexpr uint8_t prefix[13] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  Ip group;
  std::memcpy(group.bytes.data(), prefix, sizeof prefix);
  std::memcpy(group.bytes.data() + 13, target.bytes.data() + 13, 3);
  return group;
}

Mac multicast_mac(const Ip& group) {
  Mac mac{{0x33, 0x33}};
  std::memcpy(mac.bytes.data() + 2, group.bytes.data() + 12, 4);
  return mac;
}

std::optional<Mac> parse_mac(const std::string& text) {
  if (text.size() != 17) return std::nullopt;
  Mac mac;
  for (size_t i = 0; i < 6; i++) {
    int value = 0;
    for (size_t digit = 0; digit < 2; digit++) {
      const char c = text[i * 3 + digit];
      const int nibble = c >= '0' && c <= '9'   ? c - '0'
                         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                : -1;
      if (nibble < 0) return std::nullopt;
      value = value * 16 + nibble;
    }
    if (i < 5 && text[i * 3 + 2] != ':') return std::nullopt;
    mac.bytes[i] = static_cast<uint8_t>(value);
  }
  return mac;
}

std::optional<Ip> parse_ip(const std::string& text) {
  uint8_t raw[16];
  if (inet_pton(AF_INET, text.c_str(), raw) == 1) return Ip::v4(raw);
  if (inet_pton(AF_INET6, text.c_str(), raw) == 1) return Ip::v6(raw);
  return std::nullopt;
}

std::string to_text(const Mac& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac.bytes[0], mac.bytes[1], mac.bytes[2],
                mac.bytes[3], mac.bytes[4], mac.bytes[5]);
  return text;
}

std::string to_text(const Ip& ip) {
  char text[INET6_ADDRSTRLEN];
  const bool v4 = ip.is_v4();
  inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip.v4_bytes() : ip.bytes.data(), text, sizeof text);
  return text;
}

}  // namespace vipd
