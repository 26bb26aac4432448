// MAC and IP addresses as values, with their text. Pure: no system calls, no allocation but for text.
// An IPv4 address is kept in its IPv4-mapped IPv6 form, so that one key serves both families everywhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

namespace vipd {

struct Mac {
  std::array<uint8_t, 6> bytes{};

  static Mac from(const uint8_t* from) {
    Mac mac;
    std::memcpy(mac.bytes.data(), from, mac.bytes.size());
    return mac;
  }
  bool is_zero() const { return *this == Mac{}; }
  /** Group bit: multicast and broadcast. */
  bool is_group() const { return (bytes[0] & 1) != 0; }
  bool operator==(const Mac& other) const { return bytes == other.bytes; }
  bool operator!=(const Mac& other) const { return bytes != other.bytes; }
  bool operator<(const Mac& other) const { return bytes < other.bytes; }
};

constexpr Mac kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

struct Ip {
  std::array<uint8_t, 16> bytes{};

  static Ip v4(const uint8_t* from) {
    Ip ip;
    ip.bytes[10] = 0xff;
    ip.bytes[11] = 0xff;
    std::memcpy(ip.bytes.data() + 12, from, 4);
    return ip;
  }
  static Ip v6(const uint8_t* from) {
    Ip ip;
    std::memcpy(ip.bytes.data(), from, 16);
    return ip;
  }
  bool is_v4() const {
    static constexpr uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(bytes.data(), prefix, sizeof prefix) == 0;
  }
  /** The four bytes of an IPv4 address; only valid where is_v4(). */
  const uint8_t* v4_bytes() const { return bytes.data() + 12; }
  /** The last 32 bits in host order: the whole of an IPv4 address, the tail of an IPv6 one. */
  uint32_t low32() const {
    return uint32_t{bytes[12]} << 24 | uint32_t{bytes[13]} << 16 | uint32_t{bytes[14]} << 8 | bytes[15];
  }
  bool is_v6_multicast() const { return bytes[0] == 0xff; }
  bool is_v6_unspecified() const { return *this == Ip{}; }
  bool operator==(const Ip& other) const { return bytes == other.bytes; }
  bool operator!=(const Ip& other) const { return bytes != other.bytes; }
  bool operator<(const Ip& other) const { return bytes < other.bytes; }
};

struct IpHash {
  size_t operator()(const Ip& ip) const {
    uint64_t high, low;
    std::memcpy(&high, ip.bytes.data(), 8);
    std::memcpy(&low, ip.bytes.data() + 8, 8);
    // One multiply-xorshift over both halves: the addresses of a pool differ in few low bits only.
    uint64_t h = (high ^ (low * 0x9e3779b97f4a7c15ull)) * 0xbf58476d1ce4e5b9ull;
    return static_cast<size_t>(h ^ (h >> 31));
  }
};

/** ff02::1:ffXX:XXXX of an IPv6 address (RFC 4291, 2.7.1). */
Ip solicited_node(const Ip& target);
/** 33:33 and the group's last 32 bits (RFC 2464, 7). */
Mac multicast_mac(const Ip& group);

std::optional<Mac> parse_mac(const std::string& text);
std::optional<Ip> parse_ip(const std::string& text);
std::string to_text(const Mac& mac);
/** RFC 5952 for IPv6, dotted for IPv4. */
std::string to_text(const Ip& ip);

}  // namespace vipd
