#pragma once

#include "weight_values.hpp"

// 128 inputs of two tiles of a weight, from memory into the operands of tensor cores. Codes become whole numbers, which bf16
// holds exactly; the scale is applied to the sum of its group.
namespace la::inline LA_ABI::kernels::cuda {

/// What a lane loads for a group of a tile: as little as the format has, so that the next group travels while this one is
/// multiplied.
template <PanelFormat F>
struct RawGroup;

template <>
struct RawGroup<PanelFormat::bf16> {
  Words4 codes[4];
};
template <>
struct RawGroup<PanelFormat::q8> {
  Words4 codes[2];
  float scale[2];
};
template <>
struct RawGroup<PanelFormat::q4_g128> {
  Words4 codes;
  std::uint32_t scales, zero;
};
template <>
struct RawGroup<PanelFormat::q4_g32> {
  Words4 codes;
  Words4 scales;        // four of column 2 t, then four of 2 t + 1
  std::uint32_t zeros;  // four of column g
};

LA_DEVICE inline void load_group(const WeightView& w, i64 tile, i64 group, int lane,
                                 RawGroup<PanelFormat::bf16>& raw) {
  const i64 steps = steps_of(w.inputs);
  const auto* from = static_cast<const Words4*>(w.codes) + (tile * steps + group * 4) * kLanes + lane;
  LA_UNROLL
  for (int s = 0; s < 4; ++s)
    raw.codes[s] = group * 4 + s < steps ? load_streaming(from + s * kLanes) : Words4{0, 0, 0, 0};
}
LA_DEVICE inline void load_group(const WeightView& w, i64 tile, i64 group, int lane,
                                 RawGroup<PanelFormat::q8>& raw) {
  const auto at = std::int32_t(tile * groups_of(w.inputs) + group);
  const auto* from = static_cast<const Words4*>(w.codes) + at * 2 * kLanes + lane;
  LA_UNROLL
  for (int h = 0; h < 2; ++h) raw.codes[h] = load_streaming(from + h * kLanes);
  LA_UNROLL
  for (int i = 0; i < 2; ++i)
    raw.scale[i] = static_cast<const float*>(w.scales)[at * kTile + lane % 4 * 2 + i];
}
LA_DEVICE inline void load_group(const WeightView& w, i64 tile, i64 group, int lane,
                                 RawGroup<PanelFormat::q4_g128>& raw) {
  const auto at = std::int32_t(tile * groups_of(w.inputs) + group);
  raw.codes = load_streaming(static_cast<const Words4*>(w.codes) + at * kLanes + lane);
  raw.scales = static_cast<const std::uint32_t*>(w.scales)[at * (kTile / 2) + lane % 4];
  raw.zero = w.zeros[at * kTile + lane / 4];
}
LA_DEVICE inline void load_group(const WeightView& w, i64 tile, i64 group, int lane,
                                 RawGroup<PanelFormat::q4_g32>& raw) {
  const auto at = std::int32_t(tile * groups_of(w.inputs) + group);
  raw.codes = load_streaming(static_cast<const Words4*>(w.codes) + at * kLanes + lane);
  raw.scales = static_cast<const Words4*>(w.scales)[at * (kTile / 2) + lane % 4];
  raw.zeros = reinterpret_cast<const std::uint32_t*>(w.zeros)[at * kTile + lane / 4];
}

LA_DEVICE inline std::uint32_t word_of(const Words4& v, int i) {
  return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}

/// The operands of step s: four pairs of inputs of column g.
LA_DEVICE inline void operands(const RawGroup<PanelFormat::bf16>& raw, int s, std::uint32_t (&b)[4]) {
  LA_UNROLL
  for (int p = 0; p < 4; ++p) b[p] = word_of(raw.codes[s], p);
}
/// 128 + the lower seven bits, less 128 or 256
LA_DEVICE inline void operands(const RawGroup<PanelFormat::q8>& raw, int s, std::uint32_t (&b)[4]) {
  LA_UNROLL
  for (int p = 0; p < 4; ++p) {
    const std::uint32_t pair = word_of(raw.codes[s / 2], s % 2 * 2 + p / 2) >> 8 * (p % 2) & 0x00ff00ffu;
    b[p] = subtract_bf16_pairs(0x43004300u | (pair & 0x007f007fu), 0x43804380u ^ (pair & 0x00800080u));
  }
}
/// 128 + q, less 128 + zero
LA_DEVICE inline void nibble_operands(std::uint32_t word, std::uint32_t zero, std::uint32_t (&b)[4]) {
  const std::uint32_t base = 0x43004300u + (zero | zero << 16);
  LA_UNROLL
  for (int p = 0; p < 4; ++p) b[p] = subtract_bf16_pairs((word >> 4 * p & 0x000f000fu) | 0x43004300u, base);
}
LA_DEVICE inline void operands(const RawGroup<PanelFormat::q4_g128>& raw, int s, std::uint32_t (&b)[4]) {
  nibble_operands(word_of(raw.codes, s), raw.zero, b);
}
LA_DEVICE inline void operands(const RawGroup<PanelFormat::q4_g32>& raw, int s, std::uint32_t (&b)[4]) {
  nibble_operands(word_of(raw.codes, s), raw.zeros >> 8 * s & 0xffu, b);
}

/// Scale of column 2 t + i for the steps up to s.
LA_DEVICE inline float scale_of(const RawGroup<PanelFormat::q8>& raw, int, int i) {
  return raw.scale[i];
}
LA_DEVICE inline float scale_of(const RawGroup<PanelFormat::q4_g128>& raw, int, int i) {
  return widen_half(raw.scales >> 16 * i & 0xffffu);
}
LA_DEVICE inline float scale_of(const RawGroup<PanelFormat::q4_g32>& raw, int s, int i) {
  return widen_half(word_of(raw.scales, 2 * i + s / 2) >> 16 * (s % 2) & 0xffffu);
}

/// Activations of 16 rows and a step: for lane 4 g + t inputs 8 t .. 8 t + 7 of rows g and g + 8.
struct RowsOfStep {
  Words4 low, high;
};

/// Steps that share a scale.
template <PanelFormat F>
inline constexpr int kStepsAScale = F == PanelFormat::q4_g32 ? 1 : 4;

/// sums += rows times a step of a group, of one tile. Codes are summed by themselves, in `own`, until their scale is known.
template <PanelFormat F>
LA_DEVICE inline void multiply_step(const RowsOfStep& x, const std::uint32_t (&b)[4], float (&own)[4],
                                    float (&sums)[4]) {
  const std::uint32_t first[4] = {x.low.x, x.high.x, x.low.y, x.high.y};
  const std::uint32_t second[4] = {x.low.z, x.high.z, x.low.w, x.high.w};
  float(&to)[4] = F == PanelFormat::bf16 ? sums : own;
  mma_bf16(to, first, b[0], b[1]);
  mma_bf16(to, second, b[2], b[3]);
}

/// Where step s ends what shares a scale, its sums are done.
template <PanelFormat F>
LA_DEVICE inline void scale_step(const RawGroup<F>& raw, int s, float (&own)[4], float (&sums)[4]) {
  if constexpr (F != PanelFormat::bf16) {
    if (s % kStepsAScale<F> != kStepsAScale<F> - 1) return;
    LA_UNROLL
    for (int i = 0; i < 4; ++i) {
      sums[i] = __builtin_fmaf(scale_of(raw, s, i % 2), own[i], sums[i]);
      own[i] = 0;
    }
  }
}

}  // namespace la::inline LA_ABI::kernels::cuda
