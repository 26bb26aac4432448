// A test is a sentence and a truth. No framework: a plain executable that counts and exits non-zero on a failure.
#pragma once

#include <cstdio>
#include <initializer_list>
#include <string>
#include <vector>

#include "packets/frame.h"

namespace vipd::test {

inline int passed = 0;
inline int failed = 0;

inline void check(const std::string& sentence, bool truth) {
  if (truth) passed++;
  else failed++;
  if (!truth) std::printf("FAILED: %s\n", sentence.c_str());
}

inline std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  std::string digits;
  for (const char c : text) {
    if (c != ' ') digits += c;
  }
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

inline std::string to_hex(const uint8_t* data, size_t size) {
  std::string out;
  char text[3];
  for (size_t i = 0; i < size; i++) {
    std::snprintf(text, sizeof text, "%02x", data[i]);
    out += text;
  }
  return out;
}

inline Ip ip(const char* text) { return *parse_ip(text); }
inline Mac mac(const char* text) { return *parse_mac(text); }

inline Parsed parse(const std::vector<uint8_t>& bytes, const FrameMeta& meta = {}) {
  // A copy of exactly this size, so that the sanitizer sees every byte read beyond it.
  const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  return parse_frame({exact.data(), exact.size()}, meta);
}

void packets();
void decisions();
void announcements();
void filters();
void floods();

}  // namespace vipd::test
