#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/inline.hpp"
#include "../core/tensor.hpp"

namespace la::inline LA_ABI::detail {

inline constexpr int kResizeBits =
    22;  // fraction bits of a coefficient: |sum| <= 255 * 2^22 * 1.25 fits 32 bits

/// The taps of one axis: output i is the sum of inputs [first, first + count) of range(i) times weights_of(i), of which there
/// is room for `stride`.
struct ResizeTaps {
  struct Range {
    i64 first, count;
  };
  std::vector<Range> ranges;
  std::vector<std::int32_t> weights;
  std::size_t stride = 0;

  const Range& range(i64 i) const noexcept { return ranges[std::size_t(i)]; }
  const std::int32_t* weights_of(i64 i) const noexcept { return weights.data() + std::size_t(i) * stride; }
};

/// ResizeTaps::stride of an axis that is resized from `in` to `out`.
std::size_t most_resize_taps(i64 in, i64 out) noexcept;
ResizeTaps resize_taps(i64 in, i64 out);

}  // namespace la::inline LA_ABI::detail

#if !defined(LA_COMPILED)
#include "resize_taps.cpp"
#endif
