#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "../core/scalar.hpp"
#include "group_quantizer.hpp"
#include "int4_checkpoint.hpp"
#include "panel_format.hpp"
#include "source_row.hpp"
#include "weight.hpp"

// Rows into panels and back.
namespace la::inline LA_ABI::detail {

inline void store_as(float x, float& out) {
  out = x;
}
inline void store_as(bf16 x, float& out) {
  out = to_float(x);
}
inline void store_as(f16 x, float& out) {
  out = to_float(x);
}
inline void store_as(float x, std::uint16_t& out) {
  out = to_bf16(x).bits;
}
inline void store_as(bf16 x, std::uint16_t& out) {
  out = x.bits;
}
inline void store_as(f16 x, std::uint16_t& out) {
  out = to_bf16(to_float(x)).bits;
}

/// Interleaves 16 rows into a panel of floats or bf16 bits, in chunks of inputs that stay in the first-level cache.
template <class Out>
void pack_float_panel(std::span<const SourceRow> rows, i64 k, Out* panel) {
  constexpr i64 chunk = 256;
  for (i64 k0 = 0; k0 < k; k0 += chunk)
    for (std::size_t j = 0; j < kernels::kPanel; ++j) {
      const i64 count = std::min(chunk, k - k0);
      Out* column = panel + k0 * kernels::kPanel + j;
      if (j < rows.size())
        each_input(rows[j], k0, count, [&](i64 i, auto x) { store_as(x, column[i * kernels::kPanel]); });
      else
        for (i64 i = 0; i < count; ++i) column[i * kernels::kPanel] = Out{};
    }
}

/// Where input i of column c goes in a block, and how wide it is there.
inline void put_code(kernels::Q8Block& b, i64 i, std::size_t c, std::uint8_t q) {
  b.q[i / 4][c][i % 4] = q;
}
template <int G>
void put_code(kernels::Q4Block<G>& b, i64 i, std::size_t c, std::uint8_t q) {
  b.q[i / 8][c][i % 4] |= std::uint8_t(i % 8 < 4 ? q : q << 4);
}
inline std::uint8_t get_code(const kernels::Q8Block& b, i64 i, std::size_t c) {
  return b.q[i / 4][c][i % 4];
}
template <int G>
std::uint8_t get_code(const kernels::Q4Block<G>& b, i64 i, std::size_t c) {
  return (i % 8 < 4 ? b.q[i / 8][c][i % 4] : b.q[i / 8][c][i % 4] >> 4) & 15;
}
inline void put_group(kernels::Q8Block& b, std::size_t c, const Q8Group& g) {
  b.scale[c] = g.scale;
}
template <int G>
void put_group(kernels::Q4Block<G>& b, std::size_t c, const Q4Group& g) {
  b.scale[c] = g.half_scale.bits;
  b.zero[c] = g.zero;
}

/// Quantises 16 rows, group by group, into a panel of blocks. Inputs beyond k are zeros, and so are missing rows.
template <class Block, class Group>
void pack_quantized_panel(std::span<const SourceRow> rows, i64 k, Block* panel) {
  std::memset(static_cast<void*>(panel), 0,
              std::size_t((k + Block::kGroup - 1) / Block::kGroup) * sizeof(Block));
  for (i64 k0 = 0; k0 < k; k0 += Block::kGroup, ++panel)
    for (std::size_t c = 0; c < kernels::kPanel; ++c) {
      float w[Block::kGroup] = {};
      if (c < rows.size())
        each_input(rows[c], k0, std::min<i64>(Block::kGroup, k - k0),
                   [&](i64 i, auto x) { w[i] = to_float(x); });
      const Group group(w);
      put_group(*panel, c, group);
      for (i64 i = 0; i < Block::kGroup; ++i) put_code(*panel, i, c, group.code(w[i]));
    }
}

inline void pack_panel(PanelFormat format, std::span<const SourceRow> rows, i64 k, std::byte* panel) {
  switch (format) {
    case PanelFormat::f32:
      return pack_float_panel(rows, k, reinterpret_cast<float*>(panel));
    case PanelFormat::bf16:
      return pack_float_panel(rows, k, reinterpret_cast<std::uint16_t*>(panel));
    case PanelFormat::q8:
      return pack_quantized_panel<kernels::Q8Block, Q8Group>(rows, k,
                                                             reinterpret_cast<kernels::Q8Block*>(panel));
    case PanelFormat::q4_g128:
      return pack_quantized_panel<kernels::Q4Block<128>, Q4Group>(
          rows, k, reinterpret_cast<kernels::Q4Block<128>*>(panel));
    case PanelFormat::q4_g32:
      return pack_quantized_panel<kernels::Q4Block<32>, Q4Group>(
          rows, k, reinterpret_cast<kernels::Q4Block<32>*>(panel));
  }
}

inline float dequantized(const kernels::Q8Block& b, i64 i, std::size_t c) {
  return b.scale[c] * float(int(get_code(b, i, c)) - 128);
}
template <int G>
float dequantized(const kernels::Q4Block<G>& b, i64 i, std::size_t c) {
  return to_float(f16{b.scale[c]}) * float(int(get_code(b, i, c)) - int(b.zero[c]));
}

template <class Block>
void quantized_row(const std::byte* panel, i64 k, std::size_t column, float* out) {
  const Block* blocks = reinterpret_cast<const Block*>(panel);
  for (i64 i = 0; i < k; ++i) out[i] = dequantized(blocks[i / Block::kGroup], i % Block::kGroup, column);
}

/// One column of a panel, widened or dequantised.
inline void unpack_column(PanelFormat format, const std::byte* panel, i64 k, std::size_t column, float* out) {
  const auto at = [&](i64 i) { return std::size_t(i) * kernels::kPanel + column; };
  switch (format) {
    case PanelFormat::f32:
      for (i64 i = 0; i < k; ++i) out[i] = reinterpret_cast<const float*>(panel)[at(i)];
      return;
    case PanelFormat::bf16:
      for (i64 i = 0; i < k; ++i)
        out[i] = to_float(bf16{reinterpret_cast<const std::uint16_t*>(panel)[at(i)]});
      return;
    case PanelFormat::q8:
      return quantized_row<kernels::Q8Block>(panel, k, column, out);
    case PanelFormat::q4_g128:
      return quantized_row<kernels::Q4Block<128>>(panel, k, column, out);
    case PanelFormat::q4_g32:
      return quantized_row<kernels::Q4Block<32>>(panel, k, column, out);
  }
}

// Integers of other tools into panels, bit for bit.

/// The blocks that hold these integers as they are: every block must lie inside one group.
inline std::optional<PanelFormat> lossless_format(const StoredInt4& w) {
  const auto fits = [&](i64 block) { return w.group % block == 0 || w.group >= w.inputs; };
  if (w.g_idx) return std::nullopt;
  if (fits(128)) return PanelFormat::q4_g128;
  if (fits(32)) return PanelFormat::q4_g32;
  return std::nullopt;
}

/// The blocks that hold all parts; nothing when one has to be dequantised, or is not of integers.
inline std::optional<PanelFormat> lossless_format(std::span<const WeightPart> parts) {
  std::optional<PanelFormat> all = PanelFormat::q4_g128;
  for (const WeightPart& part : parts) {
    const std::optional<PanelFormat> own = part.int4 ? lossless_format(*part.int4) : std::nullopt;
    if (!own) return std::nullopt;
    if (*own == PanelFormat::q4_g32) all = own;
  }
  return all;
}

/// The four nibbles of the lower half, one a byte.
inline std::uint32_t spread_nibbles(std::uint32_t x) noexcept {
  x = (x | x << 8) & 0x00ff00ffu;
  return (x | x << 4) & 0x0f0f0f0fu;
}

/// Inputs i .. i + 7 of a column, from a word with input i + j in nibble j; i is a multiple of 8.
template <int G>
void put_eight_codes(kernels::Q4Block<G>& b, i64 i, std::size_t c, std::uint32_t word) noexcept {
  const std::uint32_t bytes = spread_nibbles(word & 0xffffu) | spread_nibbles(word >> 16) << 4;
  std::memcpy(b.q[i / 8][c], &bytes, sizeof bytes);
}

/// Columns [first, first + count) of the integers become columns [column, ..) of a zeroed panel.
template <int G>
void copy_int4_columns(const StoredInt4& w, i64 first, i64 count, std::size_t column,
                       kernels::Q4Block<G>* panel) {
  for (i64 k0 = 0; k0 < w.inputs; k0 += G, ++panel) {
    const i64 g = w.group_of(k0), inputs = std::min<i64>(G, w.inputs - k0);
    for (i64 n = first; n < first + count; ++n) {
      const std::size_t c = column + std::size_t(n - first);
      panel->scale[c] = w.scale(g, n).bits;
      panel->zero[c] = std::uint8_t(w.zero(g, n));
    }
    for (i64 i = 0; i + 8 <= inputs; i += 8)
      for (i64 n = first; n < first + count; ++n)
        put_eight_codes(*panel, i, column + std::size_t(n - first), w.eight_codes(k0 + i, n));
    for (i64 i = inputs / 8 * 8; i < inputs; ++i)
      for (i64 n = first; n < first + count; ++n)
        put_code(*panel, i, column + std::size_t(n - first), std::uint8_t(w.code(k0 + i, n)));
  }
}

/// Panel p of the stack, from the parts that reach into it.
template <int G>
void pack_int4_panel(std::span<const WeightPart> parts, i64 k, i64 p, std::byte* out) {
  auto* panel = reinterpret_cast<kernels::Q4Block<G>*>(out);
  std::memset(static_cast<void*>(panel), 0, std::size_t((k + G - 1) / G) * sizeof *panel);
  i64 start = p * kernels::kPanel, end = start + kernels::kPanel, row = 0;
  for (const WeightPart& part : parts) {
    const i64 from = std::max(start, row), to = std::min(end, row + part.int4->outputs);
    if (from < to) copy_int4_columns(*part.int4, from - row, to - from, std::size_t(from - start), panel);
    row += part.int4->outputs;
  }
}

}  // namespace la::inline LA_ABI::detail
