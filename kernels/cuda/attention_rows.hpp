#pragma once

#include "arguments.hpp"
#include "device.hpp"

// What the attention kernels share: which keys a row sees, how the keys are parted, how parts become one.
//
// Keys are summed in parts by position, of 256 or in tensor cores of 64. Inside a part the sums are those of a row that sees
// no other; parts are then merged in their order. One block may go through all of them, or many blocks may take one each: the
// same bits.
namespace la::inline LA_ABI::kernels::cuda {

LA_DEVICE inline bool sees(const KeyMask& m, int key) {
  return key < m.prefix || (key >= m.window_begin && key < m.window_end);
}
/// Keys behind the last visible one.
LA_DEVICE inline int end_of(const KeyMask& m) {
  return m.window_end > m.prefix && m.window_end > m.window_begin ? m.window_end : m.prefix;
}
LA_DEVICE inline bool sees_any(const KeyMask& m, int begin, int end) {
  return begin < m.prefix || (m.window_begin < m.window_end && m.window_begin < end && begin < m.window_end);
}
/// Sums of a row's values, their weights' total and the largest score, of some of its keys.
struct alignas(8) PartState {
  float max = -__builtin_inff(), total = 0;
};

/// What sums are worth once a larger score is known.
LA_DEVICE inline float rescale(float max, float new_max) {
  return max == -__builtin_inff() ? 0.0f : exponential(max - new_max);
}

LA_DEVICE inline float larger(float a, float b) {
  return a > b ? a : b;
}
/// The same where scores are to the base of two.
LA_DEVICE inline float rescale_power(float max, float new_max) {
  return max == -__builtin_inff() ? 0.0f : power_of_two(max - new_max);
}

/// Sums divided by their total; zeros for a row that sees nothing.
LA_DEVICE inline float finished(float sum, float total) {
  return total == 0 ? 0.0f : sum / total;
}

/// Puts the parts of a row and head together.    grid: (T, H); a thread a channel
LA_KERNEL void attention_merge(AttentionRows a) {
  wait_for_launches();
  const i64 t = block_index_x(), h = block_index_y();
  const KeyMask mask = a.visible[t];
  const int parts = (end_of(mask) + kAttentionPart - 1) / kAttentionPart, d = thread_index();
  if (d >= a.size) return;
  const float* from = a.partial + (t * a.heads + h) * a.parts * (a.size + 2);
  PartState all;
  float sum = 0;
  for (int p = 0; p < parts; ++p, from += a.size + 2) {
    if (!sees_any(mask, p * kAttentionPart, (p + 1) * kAttentionPart)) continue;
    const float total = from[a.size], max = from[a.size + 1];
    const float top = max > all.max ? max : all.max, old = rescale(all.max, top), own = rescale(max, top);
    sum = __builtin_fmaf(sum, old, from[d] * own);
    all.total = __builtin_fmaf(all.total, old, total * own);
    all.max = top;
  }
  a.out[t * a.out_stride + h * a.out_head_stride + d] = finished(sum, all.total);
}

}  // namespace la::inline LA_ABI::kernels::cuda
