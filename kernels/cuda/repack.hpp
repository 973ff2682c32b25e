#pragma once

#include "weight_values.hpp"

// Panels as the host packs them into the order of the lanes, bit for bit.
namespace la::inline LA_ABI::kernels::cuda {

/// The code of input i (of a block's group) of column c.
LA_DEVICE inline std::uint32_t code_of(const Q8Block& b, int i, int c) {
  return b.q[i / 4][c][i % 4];
}
template <int G>
LA_DEVICE inline std::uint32_t code_of(const Q4Block<G>& b, int i, int c) {
  return (i % 8 < 4 ? b.q[i / 8][c][i % 4] : b.q[i / 8][c][i % 4] >> 4) & 15u;
}

/// Four groups of 32 or one of 128: the codes and scales of 128 inputs of a tile of a panel.
template <int G>
LA_DEVICE inline void repack_q4(const Q4Block<G>* blocks, i64 count, const WeightView& w, i64 tile, i64 group,
                                int column, int lane) {
  const int g = lane / 4, t = lane % 4, c = column + g;
  const i64 groups = groups_of(w.inputs), at = tile * groups + group;
  auto* words = static_cast<std::uint32_t*>(const_cast<void*>(w.codes)) + (at * kLanes + lane) * 4;
  for (int s = 0; s < 4; ++s) {
    const i64 block = (group * kGroup + s * kStep) / G;
    std::uint32_t word = 0;
    if (block < count)
      for (int i = 0; i < 8; ++i)
        word |= code_of(blocks[block], s * kStep % G + 8 * t + i, c) << (4 * (i / 2) + 16 * (i % 2));
    words[s] = word;
  }
  constexpr int many = kGroup / G;
  if (t >= many) return;
  const i64 block = group * many + t, to = (at * kTile + g) * many + t;
  static_cast<std::uint16_t*>(const_cast<void*>(w.scales))[to] =
      block < count ? blocks[block].scale[c] : std::uint16_t(0);
  const_cast<std::uint8_t*>(w.zeros)[to] = block < count ? blocks[block].zero[c] : std::uint8_t(0);
}

LA_DEVICE inline void repack_q8(const Q8Block& b, const WeightView& w, i64 tile, i64 group, int column,
                                int lane) {
  const int g = lane / 4, t = lane % 4, c = column + g;
  const i64 at = tile * groups_of(w.inputs) + group;
  for (int s = 0; s < 4; ++s) {
    auto* to = static_cast<std::uint8_t*>(const_cast<void*>(w.codes)) +
               ((at * 2 + s / 2) * kLanes + lane) * 16 + s % 2 * 8;
    for (int i = 0; i < 8; ++i) to[q8_place(i)] = std::uint8_t(code_of(b, s * kStep + 8 * t + i, c));
  }
  if (t == 0) static_cast<float*>(const_cast<void*>(w.scales))[at * kTile + g] = b.scale[c];
}

template <class Value>
LA_DEVICE inline void repack_float(const Value* panel, const WeightView& w, i64 tile, i64 group, int column,
                                   int lane) {
  const int g = lane / 4, t = lane % 4;
  const i64 steps = steps_of(w.inputs);
  for (i64 step = group * 4; step < group * 4 + 4 && step < steps; ++step) {
    auto* to = static_cast<Value*>(const_cast<void*>(w.codes)) + ((tile * steps + step) * kLanes + lane) * 8;
    for (int i = 0; i < 8; ++i) {
      const i64 k = step * kStep + 8 * t + i;
      to[i] = k < w.inputs ? panel[k * kPanel + column + g] : Value{};
    }
  }
}

/// A warp for each of the panel's two tiles; the last tile of a weight may not exist.
LA_DEVICE inline void repack_panel(const Repack& a, i64 index, i64 group, int half, int lane) {
  const WeightView& w = a.weight;
  const i64 tile = (a.first + index) * 2 + half;
  if (tile >= tiles_of(w.outputs)) return;
  const void* panel = static_cast<const std::uint8_t*>(a.panels) + index * a.panel_stride;
  const i64 g128 = groups_of(w.inputs);
  switch (w.format) {
    case PanelFormat::f32:
      return repack_float(static_cast<const std::uint32_t*>(panel), w, tile, group, half * kTile, lane);
    case PanelFormat::bf16:
      return repack_float(static_cast<const std::uint16_t*>(panel), w, tile, group, half * kTile, lane);
    case PanelFormat::q8:
      return repack_q8(static_cast<const Q8Block*>(panel)[group], w, tile, group, half * kTile, lane);
    case PanelFormat::q4_g128:
      return repack_q4(static_cast<const Q4Block<128>*>(panel), g128, w, tile, group, half * kTile, lane);
    case PanelFormat::q4_g32:
      return repack_q4(static_cast<const Q4Block<32>*>(panel), steps_of(w.inputs), w, tile, group,
                       half * kTile, lane);
  }
}

LA_KERNEL void repack(Repack a) {
  wait_for_launches();
  repack_panel(a, block_index_x(), block_index_y(), warp(), lane());
}

}  // namespace la::inline LA_ABI::kernels::cuda
