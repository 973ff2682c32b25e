#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace la::cli {

/// Zeros that are never given back, 64-byte aligned; null when there are not so many. malloc of 32 bits gives no 2 GB, and
/// is none the worse for what others take.
inline std::byte* lasting_memory(std::size_t size) noexcept {
  constexpr std::size_t kAlignment = 64, kMost = std::size_t{1} << 30;
  const auto failed = reinterpret_cast<void*>(-1);
  auto* const top = static_cast<std::byte*>(::sbrk(0));
  const std::size_t lead = (kAlignment - reinterpret_cast<std::uintptr_t>(top) % kAlignment) % kAlignment;
  if (size > SIZE_MAX - 2 * kAlignment || (lead > 0 && ::sbrk(std::intptr_t(lead)) == failed)) return nullptr;
  for (std::size_t left = (size + kAlignment - 1) / kAlignment * kAlignment; left > 0;) {
    const std::size_t now = std::min(left, kMost);
    if (::sbrk(std::intptr_t(now)) == failed) return nullptr;
    left -= now;
  }
  return top + lead;
}

}  // namespace la::cli
