#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "ops.hpp"
#include "panel_codec.hpp"
#include "stored_int4.hpp"

// Integers of other tools into panels, bit for bit.
namespace la::detail {

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

}  // namespace la::detail
