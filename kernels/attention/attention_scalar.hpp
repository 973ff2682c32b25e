#pragma once

#include <math.h>

#include "../kernels.hpp"

// The reference of attention: two passes over the keys, double sums.
namespace la::inline LA_ABI::kernels::scalar {

inline constexpr double kUnseen = -1.7976931348623157e308;  // below every score, and finite

inline bool is_visible(const KeyMask& v, i64 key) {
  return key < v.prefix || (key >= v.window_begin && key < v.window_end);
}

inline i64 visible_end(const KeyMask& v) {
  return v.window_end > v.prefix ? v.window_end : v.prefix;
}

inline void attention_scalar(const Attention& a) noexcept {
  for (i64 r = 0; r < a.rows; ++r) {
    const i64 end = visible_end(a.visible[r]);
    const auto score = [&](i64 key) {
      const float* k = a.pages[key / kPageKeys] + a.k_offset + key % kPageKeys / 16 * a.d * 16 + key % 16;
      double s = 0;
      for (i64 d = 0; d < a.d; ++d) s += double(a.q[r][d]) * double(k[d * 16]);
      return s * double(a.scale);
    };
    double max = kUnseen, sum = 0;
    for (i64 key = 0; key < end; ++key)
      if (is_visible(a.visible[r], key) && score(key) > max) max = score(key);
    double* out = reinterpret_cast<double*>(a.scratch);
    for (i64 d = 0; d < a.d; ++d) out[d] = 0;
    for (i64 key = 0; key < end; ++key) {
      if (!is_visible(a.visible[r], key)) continue;
      const double p = exp(score(key) - (max == kUnseen ? 0 : max));
      const float* v = a.pages[key / kPageKeys] + a.v_offset + key % kPageKeys * 16;
      sum += p;
      for (i64 d = 0; d < a.d; ++d) out[d] += p * double(v[d / 16 * kPageKeys * 16 + d % 16]);
    }
    for (i64 d = 0; d < a.d; ++d) a.out[r][d] = sum == 0 ? 0.0f : float(out[d] / sum);
  }
}

}  // namespace la::inline LA_ABI::kernels::scalar
