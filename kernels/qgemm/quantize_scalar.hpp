#pragma once

#include <math.h>

#include "../common/float_bits.hpp"
#include "../kernels.hpp"

// The reference of quantize.
namespace la::inline LA_ABI::kernels::scalar {

inline void quantize_scalar(const QuantizeRow& r) noexcept {
  for (i64 k0 = 0, group = 0; k0 < r.k; k0 += r.group, ++group) {
    const i64 count = r.k - k0 < r.group ? r.k - k0 : r.group;
    const float* x = r.x + k0;
    std::int8_t* q = r.q + k0;
    float amax = 0;
    bool finite = true;
    for (i64 i = 0; i < count; ++i) {
      const float magnitude = fabsf(x[i]);
      if (!is_finite(magnitude)) finite = false;
      if (magnitude > amax) amax = magnitude;
    }
    const bool some = finite && amax >= 0x1p-100f;
    const float inverse = some ? 127.0f / amax : 0.0f;
    int sum = 0;
    for (i64 i = 0; i < r.group; ++i) {
      // Added to 1.5 * 2^23, a float has no fraction bits left: the fused add rounds to an integer, ties to even.
      const float shift = 0x1.8p23f;
      const int value = some && i < count ? int(fmaf(x[i], inverse, shift) - shift) : 0;
      q[i] = std::int8_t(value);
      sum += value;
    }
    r.scale[group] = some ? amax / 127.0f : finite ? 0.0f : float_of_bits(0x7fc00000);
    r.sum[group] = float(sum);
  }
}

}  // namespace la::inline LA_ABI::kernels::scalar
