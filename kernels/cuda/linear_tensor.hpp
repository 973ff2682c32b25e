#pragma once

#include "tensor_group.hpp"

// Y = X W^T in tensor cores: activations rounded to bf16, sums in f32. The sum over K is cut into ranges by K alone
// (ranges_of), added in their order: few rows and many give the same bits.
namespace la::inline LA_ABI::kernels::cuda {

/// Inputs k .. k + 7 of a row as bf16; zeros beyond the row's end, and for a row that is not there.
LA_DEVICE inline Words4 eight_inputs(const float* row, i64 k, i64 inputs, bool there) {
  float v[8] = {};
  if (there) {
    if (k + 8 <= inputs) {
      LA_UNROLL
      for (int i = 0; i < 8; ++i) v[i] = row[k + i];
    } else {
      LA_UNROLL
      for (int i = 0; i < 8; ++i)
        if (k + i < inputs) v[i] = row[k + i];
    }
  }
  return {to_bf16_pair(v[0], v[1]), to_bf16_pair(v[2], v[3]), to_bf16_pair(v[4], v[5]),
          to_bf16_pair(v[6], v[7])};
}

LA_DEVICE inline void store_sum(const Linear& a, i64 m, i64 n, float sum) {
  if (m >= a.rows || n >= a.weight.outputs) return;
  if (a.weight.bias) sum += a.weight.bias[n];
  float& y = a.y[m * a.y_stride + n];
  y = a.add ? y + sum : sum;
}

/// 16 rows x 16 outputs a block; warp r takes range r of the inputs.
template <PanelFormat F>
LA_DEVICE inline void linear_few(const Linear& a, float* shared) {
  const int l = lane(), g = l / 4, t = l % 4;
  const i64 tile = i64(block_index_x()) * 2, tiles = tiles_of(a.weight.outputs),
            m0 = i64(block_index_y()) * 16;
  const i64 per = groups_a_range(a.weight.inputs), groups = groups_of(a.weight.inputs);
  const i64 first = warp() * per, last = first + per < groups ? first + per : groups;
  const bool second = tile + 1 < tiles;
  const float* low = a.x + (m0 + g) * a.x_stride;
  const float* high = low + 8 * a.x_stride;
  const bool low_there = m0 + g < a.rows, high_there = m0 + g + 8 < a.rows;

  start_next_launch();  // it fetches its weights while this one multiplies
  float sums[2][4] = {};
  RawGroup<F> next[2] = {};
  if (first < last) LA_UNROLL
  for (int n = 0; n < 2; ++n)
    if (n == 0 || second) load_group(a.weight, tile + n, first, l, next[n]);
  wait_for_launches();  // weights are nobody's result
  for (i64 group = first; group < last; ++group) {
    RawGroup<F> raw[2] = {next[0], next[1]};
    if (group + 1 < last) LA_UNROLL
    for (int n = 0; n < 2; ++n)
      if (n == 0 || second) load_group(a.weight, tile + n, group + 1, l, next[n]);
    float own[2][4] = {};
    LA_UNROLL
    for (int s = 0; s < 4; ++s) {
      const i64 k = group * kGroup + s * kStep + 8 * t;
      const RowsOfStep x = {eight_inputs(low, k, a.weight.inputs, low_there),
                            eight_inputs(high, k, a.weight.inputs, high_there)};
      LA_UNROLL
      for (int n = 0; n < 2; ++n) {
        std::uint32_t b[4];
        operands(raw[n], s, b);
        multiply_step<F>(x, raw[n], s, b, own[n], sums[n]);
      }
    }
  }
  LA_UNROLL
  for (int n = 0; n < 2; ++n) LA_UNROLL
  for (int i = 0; i < 4; ++i) shared[(warp() * 8 + n * 4 + i) * kLanes + l] = sums[n][i];
  sync_block();
  for (int e = thread_index(); e < 256; e += block_size()) {
    float sum = 0;
    for (int r = 0; r < block_size() / kLanes; ++r) sum += shared[r * 256 + e];
    const int from = e % kLanes, i = e / kLanes % 4, n = e / 128;
    store_sum(a, m0 + from / 4 + i / 2 * 8, (tile + n) * kTile + from % 4 * 2 + i % 2, sum);
  }
}

/// A group's activations of a block's rows to shared memory.
LA_DEVICE inline void stage_rows(const Linear& a, i64 m0, i64 group, std::uint16_t* x) {
  for (int e = thread_index(); e < kManyRows * (kGroup / 8); e += block_size()) {
    const i64 m = e / (kGroup / 8), k = e % (kGroup / 8) * 8;
    *reinterpret_cast<Words4*>(x + m * kManyStride + k) =
        eight_inputs(a.x + (m0 + m) * a.x_stride, group * kGroup + k, a.weight.inputs, m0 + m < a.rows);
  }
}

/// 64 rows x 64 outputs a block; a warp takes 16 outputs and all inputs, range after range.
template <PanelFormat F>
LA_DEVICE inline void linear_many(const Linear& a, float* shared) {
  constexpr int kRowTiles = kManyRows / 16;
  const int l = lane(), g = l / 4, t = l % 4;
  const i64 tile = i64(block_index_x()) * (kManyOutputs / kTile) + warp() * 2,
            tiles = tiles_of(a.weight.outputs);
  const i64 m0 = i64(block_index_y()) * kManyRows;
  const i64 per = groups_a_range(a.weight.inputs), groups = groups_of(a.weight.inputs);
  float* totals =
      shared + warp() * (kManyRows * 16) + l;  // sums of whole ranges, which few registers would hold
  auto* x = reinterpret_cast<std::uint16_t*>(shared + kManyRows * kManyOutputs);

  float sums[kRowTiles][2][4] = {};
  wait_for_launches();
  for (i64 group = 0; group < groups; ++group) {
    stage_rows(a, m0, group, x);
    std::uint32_t b[2][4][4] = {};
    RawGroup<F> raw[2] = {};
    LA_UNROLL
    for (int n = 0; n < 2; ++n)
      if (tile + n < tiles) {
        load_group(a.weight, tile + n, group, l, raw[n]);
        LA_UNROLL
        for (int s = 0; s < 4; ++s) operands(raw[n], s, b[n][s]);
      }
    sync_block();
    LA_UNROLL
    for (int r = 0; r < kRowTiles; ++r) {
      float own[2][4] = {};
      LA_UNROLL
      for (int s = 0; s < 4; ++s) {
        const auto* from = x + (r * 16 + g) * kManyStride + s * kStep + 8 * t;
        const RowsOfStep rows = {*reinterpret_cast<const Words4*>(from),
                                 *reinterpret_cast<const Words4*>(from + 8 * kManyStride)};
        LA_UNROLL
        for (int n = 0; n < 2; ++n) multiply_step<F>(rows, raw[n], s, b[n][s], own[n], sums[r][n]);
      }
    }
    sync_block();
    if ((group + 1) % per != 0 && group + 1 < groups) continue;
    const bool first = group < per;
    LA_UNROLL
    for (int r = 0; r < kRowTiles; ++r) LA_UNROLL
    for (int n = 0; n < 2; ++n) LA_UNROLL
    for (int i = 0; i < 4; ++i) {
      float& total = totals[((r * 2 + n) * 4 + i) * kLanes];
      total = (first ? 0.0f : total) + sums[r][n][i];
      sums[r][n][i] = 0;
    }
  }
  LA_UNROLL
  for (int r = 0; r < kRowTiles; ++r) LA_UNROLL
  for (int n = 0; n < 2; ++n) LA_UNROLL
  for (int i = 0; i < 4; ++i)
    store_sum(a, m0 + r * 16 + g + i / 2 * 8, (tile + n) * kTile + 2 * t + i % 2,
              totals[((r * 2 + n) * 4 + i) * kLanes]);
}

/// A kernel for each format, so that one's registers are not the others'. Weights held as f32 have no tensor product:
/// linear_exact takes them.
///   linear_few_FORMAT   a warp for each range; grid: (blocks of 16 outputs, blocks of 16 rows)
///   linear_many_FORMAT  128 threads; grid: (blocks of 64 outputs, blocks of 64 rows)
#define LA_TENSOR_KERNELS(FORMAT)                                     \
  LA_KERNEL LA_MAX_THREADS(512) void linear_few_##FORMAT(Linear a) {  \
    linear_few<PanelFormat::FORMAT>(a, shared_memory<float>());       \
  }                                                                   \
  LA_KERNEL LA_MAX_THREADS(128) void linear_many_##FORMAT(Linear a) { \
    linear_many<PanelFormat::FORMAT>(a, shared_memory<float>());      \
  }
LA_TENSOR_KERNELS(bf16)
LA_TENSOR_KERNELS(q8)
LA_TENSOR_KERNELS(q4_g128)
LA_TENSOR_KERNELS(q4_g32)
#undef LA_TENSOR_KERNELS

}  // namespace la::inline LA_ABI::kernels::cuda
