#pragma once

#include "tensor_group.hpp"

// Y = X W^T in tensor cores: activations rounded to bf16, or as sums of two bf16 where the weight asks for it, sums in
// f32. The sum over K is cut into ranges by K alone (ranges_of), added in their order: few rows and many give the same bits.
namespace la::inline LA_ABI::kernels::cuda {

/// Inputs k .. k + 7 of a row; zeros beyond the row's end, and for a row that is not there.
struct EightInputs {
  float v[8];
};
LA_DEVICE inline EightInputs eight_inputs(const float* row, int k, int inputs, bool there) {
  EightInputs x = {};
  if (there) {
    if (k + 8 <= inputs) {
      LA_UNROLL
      for (int i = 0; i < 8; ++i) x.v[i] = row[k + i];
    } else {
      LA_UNROLL
      for (int i = 0; i < 8; ++i)
        if (k + i < inputs) x.v[i] = row[k + i];
    }
  }
  return x;
}

/// The inputs rounded to bf16; they become what rounding took from them, the second part of each.
LA_DEVICE inline Words4 take_part(EightInputs& x) {
  std::uint32_t pair[4];
  LA_UNROLL
  for (int p = 0; p < 4; ++p) {
    pair[p] = to_bf16_pair(x.v[2 * p], x.v[2 * p + 1]);
    x.v[2 * p] -= low_value(pair[p]);
    x.v[2 * p + 1] -= high_value(pair[p]);
  }
  return {pair[0], pair[1], pair[2], pair[3]};
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
  const int per = int(groups_a_range(a.weight.inputs)), groups = int(groups_of(a.weight.inputs));
  const int first = warp() * per, last = first + per < groups ? first + per : groups;
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
  for (int group = first; group < last; ++group) {
    RawGroup<F> raw[2] = {next[0], next[1]};
    if (group + 1 < last) LA_UNROLL
    for (int n = 0; n < 2; ++n)
      if (n == 0 || second) load_group(a.weight, tile + n, group + 1, l, next[n]);
    float own[2][4] = {};
    LA_UNROLL
    for (int s = 0; s < 4; ++s) {
      const int k = group * kGroup + s * kStep + 8 * t;
      EightInputs x = eight_inputs(low, k, a.weight.inputs, low_there),
                  x8 = eight_inputs(high, k, a.weight.inputs, high_there);
      const RowsOfStep first_part = {take_part(x), take_part(x8)};
      LA_UNROLL
      for (int n = 0; n < 2; ++n) {
        std::uint32_t b[4];
        operands(raw[n], s, b);
        multiply_step<F>(first_part, b, own[n], sums[n]);
      }
      if (a.weight.activation_parts > 1) {
        const RowsOfStep second_part = {take_part(x), take_part(x8)};
        LA_UNROLL
        for (int n = 0; n < 2; ++n) {
          std::uint32_t b[4];
          operands(raw[n], s, b);
          multiply_step<F>(second_part, b, own[n], sums[n]);
        }
      }
      LA_UNROLL
      for (int n = 0; n < 2; ++n) scale_step<F>(raw[n], s, own[n], sums[n]);
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

/// Where inputs k .. k + 7 of a group of row m lie in shared memory: rows that are read together share no bank.
LA_DEVICE inline int staged_at(int m, int k) {
  return m * kGroup + (k ^ (m & 1) * kStep);
}

/// A group's activations of a block's rows to shared memory, part by part.
LA_DEVICE inline void stage_rows(const Linear& a, i64 m0, int group, std::uint16_t* x) {
  for (int e = thread_index(); e < kManyRows * (kGroup / 8); e += block_size()) {
    const int m = e / (kGroup / 8), k = e % (kGroup / 8) * 8;
    EightInputs values =
        eight_inputs(a.x + (m0 + m) * a.x_stride, group * kGroup + k, a.weight.inputs, m0 + m < a.rows);
    *reinterpret_cast<Words4*>(x + staged_at(m, k)) = take_part(values);
    if (a.weight.activation_parts > 1)
      *reinterpret_cast<Words4*>(x + kManyRows * kGroup + staged_at(m, k)) = take_part(values);
  }
}
LA_DEVICE inline RowsOfStep staged_rows(const std::uint16_t* x, int m, int k) {
  return {*reinterpret_cast<const Words4*>(x + staged_at(m, k)),
          *reinterpret_cast<const Words4*>(x + staged_at(m + 8, k))};
}

/// 64 rows x 64 outputs a block; a warp takes 16 outputs and all inputs, range after range.
template <PanelFormat F>
LA_DEVICE inline void linear_many(const Linear& a, float* shared) {
  constexpr int kRowTiles = kManyRows / 16;
  const int l = lane(), g = l / 4, t = l % 4;
  const i64 tile = i64(block_index_x()) * (kManyOutputs / kTile) + warp() * 2,
            tiles = tiles_of(a.weight.outputs);
  const i64 m0 = i64(block_index_y()) * kManyRows;
  const int per = int(groups_a_range(a.weight.inputs)), groups = int(groups_of(a.weight.inputs));
  float* totals =
      shared + warp() * (kManyRows * 16) + l;  // sums of whole ranges, which few registers would hold
  auto* x = reinterpret_cast<std::uint16_t*>(shared + kManyRows * kManyOutputs);

  float sums[kRowTiles][2][4] = {};
  wait_for_launches();
  for (int group = 0; group < groups; ++group) {
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
        const RowsOfStep first_part = staged_rows(x, r * 16 + g, s * kStep + 8 * t);
        LA_UNROLL
        for (int n = 0; n < 2; ++n) multiply_step<F>(first_part, b[n][s], own[n], sums[r][n]);
        if (a.weight.activation_parts > 1) {
          const RowsOfStep second_part = staged_rows(x + kManyRows * kGroup, r * 16 + g, s * kStep + 8 * t);
          LA_UNROLL
          for (int n = 0; n < 2; ++n) multiply_step<F>(second_part, b[n][s], own[n], sums[r][n]);
        }
        LA_UNROLL
        for (int n = 0; n < 2; ++n) scale_step<F>(raw[n], s, own[n], sums[r][n]);
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
