#pragma once

#include "../common/float_bits.hpp"
#include "../common/vector.hpp"

// quantize on xsimd, for every vector instruction set.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Groups are multiples of it. Of so many at once compilers narrow integers to bytes in vectors.
inline constexpr i64 kChunk = kLanes < 16 ? 32 : kLanes;

/// One group of n <= group values.
inline void quantize_group(const float* x, i64 n, i64 group, std::int8_t* q, float& scale,
                           float& sum) noexcept {
  using Int = VInt;
  constexpr std::int32_t infinity = 0x7f800000;
  // Magnitudes compare as integers, NaN above infinity above all others.
  Int top(0);
  const auto magnitude = [](V v) { return as_lanes<Int>(v) & Int(0x7fffffff); };
  const i64 whole = n / kLanes * kLanes;
  for (i64 i = 0; i < whole; i += kLanes) top = xsimd::max(top, magnitude(load(x + i)));
  if (whole < n) top = xsimd::max(top, magnitude(load_tail(x + whole, n - whole, 0)));
  const std::int32_t bits = fold_lanes(top, [](std::int32_t a, std::int32_t b) { return a > b ? a : b; });
  float amax;
  __builtin_memcpy(&amax, &bits, sizeof amax);

  const bool some = bits < infinity && amax >= 0x1p-100f;
  scale = some ? amax / 127.0f : bits < infinity ? 0.0f : float_of_bits(0x7fc00000);
  sum = 0;
  if (!some) {
    for (i64 i = 0; i < group; ++i) q[i] = 0;
    return;
  }
  // Added to 1.5 * 2^23, a float has no fraction bits left: the fused add rounds to an integer, ties to even, which
  // is the difference of the bit patterns.
  const V inverse(127.0f / amax), shift(0x1.8p23f);
  Int total(0);
  std::int32_t whole_numbers[kChunk];
  for (i64 i = 0; i < group; i += kChunk) {
#pragma GCC unroll 8
    for (i64 j = 0; j < kChunk; j += kLanes) {
      const i64 left = n - i - j;
      const V v = left >= kLanes ? load(x + i + j) : load_tail(x + i + j, left > 0 ? left : 0, 0);
      const Int rounded = as_lanes<Int>(fused(v, inverse, shift)) - Int(0x4b400000);
      total += rounded;
      rounded.store_unaligned(whole_numbers + j);
    }
    for (i64 j = 0; j < kChunk; ++j) q[i + j] = std::int8_t(whole_numbers[j]);
  }
  sum = float(fold_lanes(total, [](std::int32_t a, std::int32_t b) { return a + b; }));
}

inline void quantize(const QuantizeRow& r) noexcept {
  for (i64 k0 = 0, group = 0; k0 < r.k; k0 += r.group, ++group)
    quantize_group(r.x + k0, r.k - k0 < r.group ? r.k - k0 : r.group, r.group, r.q + k0, r.scale[group],
                   r.sum[group]);
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
