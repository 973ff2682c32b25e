#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../../kernels/abi.hpp"

// Where files are mapped, in a form that a signal handler may read.
namespace la::inline LA_ABI::detail {

/// Addresses of one mapping. A free one has begin 0.
struct MappedRange {
  std::atomic<std::uintptr_t> begin{0}, end{0};
  std::atomic<bool> cut{false};  ///< a page of it could not be read, see TruncationGuard

  bool contains(std::uintptr_t address) const noexcept { return address >= begin && address < end; }
};

/// Far more than a checkpoint has shards; mappings beyond these are not guarded.
inline std::array<MappedRange, 1024> mapped_ranges;

/// Null when there is no free one.
inline MappedRange* add_mapped_range(const void* data, std::size_t size) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  for (MappedRange& range : mapped_ranges) {
    std::uintptr_t free = 0;
    if (!range.begin.compare_exchange_strong(free, begin)) continue;
    range.cut = false;
    range.end = begin + size;
    return &range;
  }
  return nullptr;
}

inline void remove_mapped_range(MappedRange* range) noexcept {
  if (!range) return;
  range->end = 0;
  range->begin = 0;
}

inline MappedRange* find_mapped_range(std::uintptr_t address) noexcept {
  for (MappedRange& range : mapped_ranges)
    if (range.contains(address)) return &range;
  return nullptr;
}

}  // namespace la::inline LA_ABI::detail
