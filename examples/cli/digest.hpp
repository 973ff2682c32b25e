#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

// Short names for contents.
namespace la::cli {

/// FNV-1a of the bytes, 64 bits. Two of a million different lines are taken for one another with probability 3e-8.
inline std::uint64_t digest_of(std::string_view bytes, std::uint64_t before = 0xcbf29ce484222325u) {
  for (const char c : bytes) before = (before ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return before;
}

/// 16 hexadecimal digits.
inline std::string hex(std::uint64_t digest) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(digest));
  return text;
}

}  // namespace la::cli
