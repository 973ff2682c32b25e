#pragma once

#include <math.h>

#include "../kernels.hpp"

// The reference of attention: two passes over the keys of each part, double sums.
namespace la::inline LA_ABI::kernels::scalar {

inline constexpr double kUnseen = -1.7976931348623157e308;  // below every score, and finite

inline bool is_visible(const KeyMask& v, i64 key) {
  return key < v.prefix || (key >= v.window_begin && key < v.window_end);
}

inline i64 visible_end(const KeyMask& v) {
  return v.window_end > v.prefix ? v.window_end : v.prefix;
}

/// Of a row and a part of the keys: the largest score, the sum of exp(score - max), and that of the values, [D].
inline double* row_state(const Attention& a, float* state, i64 row) {
  return reinterpret_cast<double*>(state) + row * (a.d + 2);
}

inline void attend_part_scalar(const Attention& a, i64 r, i64 part, double* state) {
  const i64 begin = part * kPartKeys;
  i64 end = visible_end(a.visible[r]);
  if (end > begin + kPartKeys) end = begin + kPartKeys;
  const auto score = [&](i64 key) {
    const float* k = a.pages[key / kPageKeys] + a.k_offset + key % kPageKeys / 16 * a.d * 16 + key % 16;
    double s = 0;
    for (i64 d = 0; d < a.d; ++d) s += double(a.q[r][d]) * double(k[d * 16]);
    return s * double(a.scale);
  };
  double &max = state[0], &sum = state[1], *out = state + 2;
  max = kUnseen;
  sum = 0;
  for (i64 key = begin; key < end; ++key)
    if (is_visible(a.visible[r], key) && score(key) > max) max = score(key);
  for (i64 d = 0; d < a.d; ++d) out[d] = 0;
  for (i64 key = begin; key < end; ++key) {
    if (!is_visible(a.visible[r], key)) continue;
    const double p = exp(score(key) - (max == kUnseen ? 0 : max));
    const float* v = a.pages[key / kPageKeys] + a.v_offset + key % kPageKeys * 16;
    sum += p;
    for (i64 d = 0; d < a.d; ++d) out[d] += p * double(v[d / 16 * kPageKeys * 16 + d % 16]);
  }
}

inline void merge_part_scalar(const Attention& a, i64 r, double* all, i64 part, const double* more) {
  if (part * kPartKeys >= visible_end(a.visible[r])) return;
  const double max = more[0] > all[0] ? more[0] : all[0];
  const double old_factor = exp(all[0] - max), new_factor = exp(more[0] - max);
  for (i64 i = 1; i < a.d + 2; ++i) all[i] = all[i] * old_factor + more[i] * new_factor;
  all[0] = max;
}

inline void normalize_row_scalar(const Attention& a, i64 r, const double* all) {
  for (i64 d = 0; d < a.d; ++d) a.out[r][d] = all[1] == 0 ? 0.0f : float(all[2 + d] / all[1]);
}

inline void attention_scalar(const Attention& a) noexcept {
  if (a.states) {
    for (i64 part = a.first_part; part < a.first_part + a.parts; ++part)
      for (i64 r = 0; r < a.rows; ++r)
        attend_part_scalar(a, r, part, row_state(a, a.states + part * attention_state(a.rows, a.d), r));
    return;
  }
  double* all = row_state(a, a.scratch, 0);
  double* more = row_state(a, a.scratch, 1);
  for (i64 r = 0; r < a.rows; ++r) {
    attend_part_scalar(a, r, 0, all);
    for (i64 part = 1; part < attention_parts(visible_end(a.visible[r])); ++part) {
      attend_part_scalar(a, r, part, more);
      merge_part_scalar(a, r, all, part, more);
    }
    normalize_row_scalar(a, r, all);
  }
}

inline void attention_merge_scalar(const Attention& a) noexcept {
  for (i64 r = 0; r < a.rows; ++r) {
    double* all = row_state(a, a.states, r);
    for (i64 part = 1; part < a.parts; ++part)
      merge_part_scalar(a, r, all, part, row_state(a, a.states + part * attention_state(a.rows, a.d), r));
    normalize_row_scalar(a, r, all);
  }
}

}  // namespace la::inline LA_ABI::kernels::scalar
