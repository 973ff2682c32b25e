#pragma once

#include "linear_endings.hpp"
#include "tensor_group.hpp"

// Y = X W^T in tensor cores: activations rounded to bf16, or as sums of two bf16 where the weight asks for it, sums in
// f32. The sum over K is cut into ranges by K alone (ranges_of), added in their order: few rows and many give the same bits.
//
// Rows may be normed on the way, see NormedLinear. Squares are summed by 8 inputs, of a range every fourth of these in their
// order, the four sums in pairs, and ranges in their order: the same bits again.
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

/// The sum of the squares of the inputs, which become multiplied by a norm's.
LA_DEVICE inline float norm_inputs(EightInputs& x, const EightInputs& norm) {
  float squares = 0;
  LA_UNROLL
  for (int i = 0; i < 8; ++i) {
    squares = __builtin_fmaf(x.v[i], x.v[i], squares);
    x.v[i] *= norm.v[i];
  }
  return squares;
}
/// The sum of four neighbouring lanes.
LA_DEVICE inline float sum_of_four(float x) {
  x += shuffle_xor(x, 1);
  return x + shuffle_xor(x, 2);
}

/// 16 rows x 16 outputs a block; warp r takes range r of the inputs.
template <PanelFormat F, class Arguments>
LA_DEVICE inline void linear_few(const Arguments& arguments, float* shared) {
  const Linear& a = product_of(arguments);
  const int l = lane(), g = l / 4, t = l % 4;
  const i64 pair = block_index_x(), tiles = tiles_of(a.weight.outputs), m0 = i64(block_index_y()) * 16;
  const i64 tile = pair_of(arguments, pair).first, distance = pair_of(arguments, pair).distance;
  const int per = int(groups_a_range(a.weight.inputs)), groups = int(groups_of(a.weight.inputs));
  const int first = warp() * per, last = first + per < groups ? first + per : groups;
  const bool second = tile + distance < tiles;
  const float* low = a.x + (m0 + g) * a.x_stride;
  const float* high = low + 8 * a.x_stride;
  const bool low_there = m0 + g < a.rows, high_there = m0 + g + 8 < a.rows;

  start_next_launch();  // it fetches its weights while this one multiplies
  float sums[2][4] = {}, squares[2] = {};
  RawGroup<F> next[2] = {};
  if (first < last) LA_UNROLL
  for (int n = 0; n < 2; ++n)
    if (n == 0 || second) load_group(a.weight, tile + n * distance, first, l, next[n]);
  wait_for_launches();  // weights are nobody's result
  for (int group = first; group < last; ++group) {
    RawGroup<F> raw[2] = {next[0], next[1]};
    if (group + 1 < last) LA_UNROLL
    for (int n = 0; n < 2; ++n)
      if (n == 0 || second) load_group(a.weight, tile + n * distance, group + 1, l, next[n]);
    float own[2][4] = {};
    LA_UNROLL
    for (int s = 0; s < 4; ++s) {
      const int k = group * kGroup + s * kStep + 8 * t;
      EightInputs x = eight_inputs(low, k, a.weight.inputs, low_there),
                  x8 = eight_inputs(high, k, a.weight.inputs, high_there);
      if constexpr (kNormed<Arguments>) {
        const EightInputs norm = eight_inputs(arguments.norm, k, a.weight.inputs, true);
        squares[0] += norm_inputs(x, norm);
        squares[1] += norm_inputs(x8, norm);
      }
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
  const int warps = block_size() / kLanes;
  float* of_rows = shared + warps * 256;  // squares [warps][16 rows]
  if constexpr (kNormed<Arguments>) LA_UNROLL
  for (int r = 0; r < 2; ++r) {
    const float of_row = sum_of_four(squares[r]);
    if (t == 0) of_rows[warp() * 16 + g + 8 * r] = of_row;
  }
  sync_block();
  for (int e = thread_index(); e < 128; e += block_size()) {
    const int from = e % kLanes, i = e / kLanes, row = from / 4 + i / 2 * 8;
    float both[2] = {}, square = 0;
    for (int r = 0; r < warps; ++r) {
      LA_UNROLL
      for (int n = 0; n < 2; ++n) both[n] += shared[r * 256 + n * 128 + e];
      if constexpr (kNormed<Arguments>) square += of_rows[r * 16 + row];
    }
    end_pair(arguments, pair, m0 + row, from % 4 * 2 + i % 2, both, square);
  }
}

/// Where inputs k .. k + 7 of a group of row m lie in shared memory: rows that are read together share no bank.
LA_DEVICE inline int staged_at(int m, int k) {
  return m * kGroup + (k ^ (m & 1) * kStep);
}

/// A group's activations of a block's rows to shared memory, part by part.
/// squares: of normed rows [rows][16], sums for each 8 inputs
template <class Arguments>
LA_DEVICE inline void stage_rows(const Arguments& arguments, i64 m0, int group, std::uint16_t* x,
                                 float* squares) {
  const Linear& a = product_of(arguments);
  for (int e = thread_index(); e < kManyRows * (kGroup / 8); e += block_size()) {
    const int m = e / (kGroup / 8), k = e % (kGroup / 8) * 8;
    EightInputs values =
        eight_inputs(a.x + (m0 + m) * a.x_stride, group * kGroup + k, a.weight.inputs, m0 + m < a.rows);
    if constexpr (kNormed<Arguments>)
      squares[e] =
          norm_inputs(values, eight_inputs(arguments.norm, group * kGroup + k, a.weight.inputs, true));
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
template <PanelFormat F, class Arguments>
LA_DEVICE inline void linear_many(const Arguments& arguments, float* shared) {
  constexpr int kRowTiles = kManyRows / 16;
  const Linear& a = product_of(arguments);
  const int l = lane(), g = l / 4, t = l % 4;
  const int pair = block_index_x() * (kManyOutputs / (2 * kTile)) + warp(),
            tiles = int(tiles_of(a.weight.outputs));
  const int tile = int(pair_of(arguments, pair).first), distance = int(pair_of(arguments, pair).distance);
  const i64 m0 = i64(block_index_y()) * kManyRows;
  const int per = int(groups_a_range(a.weight.inputs)), groups = int(groups_of(a.weight.inputs));
  float* totals =
      shared + warp() * (kManyRows * 16) + l;  // sums of whole ranges, which few registers would hold
  float *squares = shared + kManyRows * kManyOutputs, *of_rows = squares + kManyRows * (kGroup / 8);
  auto* x = reinterpret_cast<std::uint16_t*>(kNormed<Arguments> ? of_rows + kManyRows : squares);

  float sums[kRowTiles][2][4] = {}, of_lane[2] = {};
  wait_for_launches();
  for (int group = 0; group < groups; ++group) {
    const bool range_ends = (group + 1) % per == 0 || group + 1 == groups, in_first_range = group < per;
    stage_rows(arguments, m0, group, x, squares);
    std::uint32_t b[2][4][4] = {};
    RawGroup<F> raw[2] = {};
    LA_UNROLL
    for (int n = 0; n < 2; ++n)
      if (pair * 2 < tiles && tile + n * distance < tiles) {
        load_group(a.weight, tile + n * distance, group, l, raw[n]);
        LA_UNROLL
        for (int s = 0; s < 4; ++s) operands(raw[n], s, b[n][s]);
      }
    sync_block();
    if constexpr (kNormed<Arguments>) LA_UNROLL
    for (int r = 0; r < 2; ++r) {  // lane t of four takes those that lane t of linear_few takes
      const int m = thread_index() / 4 + r * (kThreads / 4);
      LA_UNROLL
      for (int s = 0; s < 4; ++s) of_lane[r] += squares[m * (kGroup / 8) + s * 4 + t];
      if (!range_ends) continue;
      const float of_range = sum_of_four(of_lane[r]);
      if (t == 0) of_rows[m] = (in_first_range ? 0.0f : of_rows[m]) + of_range;
      of_lane[r] = 0;
    }
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
    if (!range_ends) continue;
    LA_UNROLL
    for (int r = 0; r < kRowTiles; ++r) LA_UNROLL
    for (int n = 0; n < 2; ++n) LA_UNROLL
    for (int i = 0; i < 4; ++i) {
      float& total = totals[((r * 2 + n) * 4 + i) * kLanes];
      total = (in_first_range ? 0.0f : total) + sums[r][n][i];
      sums[r][n][i] = 0;
    }
  }
  if (pair * 2 >= tiles) return;
  LA_NO_UNROLL
  for (int e = 0; e < 4 * kRowTiles; ++e) {  // written out it would take the registers of the loop above
    const int r = e / 4, i = e % 4, row = r * 16 + g + i / 2 * 8;
    const float both[2] = {totals[(r * 8 + i) * kLanes], totals[(r * 8 + 4 + i) * kLanes]};
    end_pair(arguments, pair, m0 + row, 2 * t + i % 2, both, kNormed<Arguments> ? of_rows[row] : 0.0f);
  }
}

/// A kernel for each format, so that one's registers are not the others'. Weights held as f32 have no tensor product:
/// linear_exact takes them.
///   linear_few_FORMAT   a warp for each range; grid: (blocks of 16 outputs, blocks of 16 rows)
///   linear_many_FORMAT  128 threads; grid: (blocks of 64 outputs, blocks of 64 rows)
///   normed_few_FORMAT, normed_many_FORMAT  the same of normed rows
#define LA_TENSOR_KERNELS(FORMAT)                                                 \
  LA_KERNEL LA_MAX_THREADS(512) void linear_few_##FORMAT(Linear a) {              \
    linear_few<PanelFormat::FORMAT>(a, shared_memory<float>());                   \
  }                                                                               \
  LA_KERNEL LA_MAX_THREADS(128) void linear_many_##FORMAT(Linear a) {             \
    linear_many<PanelFormat::FORMAT>(a, shared_memory<float>());                  \
  }                                                                               \
  LA_KERNEL LA_MAX_THREADS(128) void normed_few_##FORMAT(NormedLinear a) {        \
    linear_few<PanelFormat::FORMAT>(a, shared_memory<float>());                   \
  }                                                                               \
  LA_KERNEL LA_MAX_THREADS_OF(128, 2) void normed_many_##FORMAT(NormedLinear a) { \
    linear_many<PanelFormat::FORMAT>(a, shared_memory<float>());                  \
  }
LA_TENSOR_KERNELS(bf16)
LA_TENSOR_KERNELS(q8)
LA_TENSOR_KERNELS(q4_g128)
LA_TENSOR_KERNELS(q4_g32)
#undef LA_TENSOR_KERNELS

}  // namespace la::inline LA_ABI::kernels::cuda
