#pragma once

#include "weight_values.hpp"

// Y = X W^T in f32, weights widened or dequantised exactly. Each sum is one chain of fused multiply-adds over k from zero,
// then + bias, then + the old Y, as in the float products of the CPU: whatever the number of rows, the same bits.
namespace la::inline LA_ABI::kernels::cuda {

/// A block of 128 threads makes 16 MT rows x 32 outputs, 64 inputs at a time: thread (i, j) of 16 x 8 the rows i, i + 16 ..
/// and the outputs 4 j .. 4 j + 3.
struct ExactTile {
  static constexpr int N = 32, K = 64;
  static constexpr int WStride = N + 4, XStride = K + 1;  // exact_linear_floats says why
};

template <int MT>
LA_DEVICE inline void stage_exact(const Linear& a, i64 m0, i64 n0, i64 k0, float* w, float* x) {
  const i64 steps = steps_of(a.weight.inputs), tiles = tiles_of(a.weight.outputs);
  for (int e = thread_index(); e < 256; e += kThreads) {
    const int lane = e % kLanes, part = e / kLanes, step = part % 2, tile = part / 2;
    float values[8] = {};
    if (k0 / kStep + step < steps && n0 / kTile + tile < tiles)
      eight_weights(a.weight, n0 / kTile + tile, k0 / kStep + step, lane, values);
    float* to = w + (step * kStep + lane % 4 * 8) * ExactTile::WStride + tile * kTile + lane / 4;
    LA_UNROLL
    for (int i = 0; i < 8; ++i) to[i * ExactTile::WStride] = values[i];
  }
  for (int e = thread_index(); e < 16 * MT * ExactTile::K; e += kThreads) {
    const int m = e / ExactTile::K, k = e % ExactTile::K;
    const bool there = m0 + m < a.rows && k0 + k < a.weight.inputs;
    x[m * ExactTile::XStride + k] = there ? a.x[(m0 + m) * a.x_stride + k0 + k] : 0.0f;
  }
}

template <int MT>
LA_DEVICE inline void linear_exact(const Linear& a, float* shared) {
  wait_for_launches();
  const i64 n0 = i64(block_index_x()) * ExactTile::N, m0 = i64(block_index_y()) * 16 * MT;
  const int i = thread_index() / 8, j = thread_index() % 8 * 4;
  float *w = shared, *x = shared + ExactTile::K * ExactTile::WStride;
  float sum[MT][4] = {};
  for (i64 k0 = 0; k0 < a.weight.inputs; k0 += ExactTile::K) {
    stage_exact<MT>(a, m0, n0, k0, w, x);
    sync_block();
    const int count = int(a.weight.inputs - k0 < ExactTile::K ? a.weight.inputs - k0 : ExactTile::K);
    for (int k = 0; k < count; ++k) {
      float v[4];
      LA_UNROLL
      for (int c = 0; c < 4; ++c) v[c] = w[k * ExactTile::WStride + j + c];
      LA_UNROLL
      for (int r = 0; r < MT; ++r) {
        const float u = x[(i + 16 * r) * ExactTile::XStride + k];
        LA_UNROLL
        for (int c = 0; c < 4; ++c) sum[r][c] = __builtin_fmaf(u, v[c], sum[r][c]);
      }
    }
    sync_block();
  }
  LA_UNROLL
  for (int r = 0; r < MT; ++r) LA_UNROLL
  for (int c = 0; c < 4; ++c) {
    const i64 m = m0 + i + 16 * r, n = n0 + j + c;
    if (m >= a.rows || n >= a.weight.outputs) continue;
    float& y = a.y[m * a.y_stride + n];
    float value = sum[r][c];
    if (a.weight.bias) value += a.weight.bias[n];
    y = a.add ? y + value : value;
  }
}

/// grid: (blocks of 32 outputs, blocks of 16 rows)
LA_KERNEL void linear_exact_few(Linear a) {
  linear_exact<1>(a, shared_memory<float>());
}

/// grid: (blocks of 32 outputs, blocks of 64 rows)
LA_KERNEL void linear_exact_many(Linear a) {
  linear_exact<4>(a, shared_memory<float>());
}

}  // namespace la::inline LA_ABI::kernels::cuda
