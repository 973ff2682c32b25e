#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "../core/inline.hpp"
#include "../core/scalar.hpp"
#include "../io/checkpoint.hpp"

namespace la::inline LA_ABI {

/// What a quantised checkpoint says of itself; the tensors decide what it is.
struct QuantizationConfig {
  i64 bits = 0, group_size = 0;
  std::optional<bool> sym;
  std::string quant_method;    ///< empty when absent
  std::string packing_format;  ///< or checkpoint_format, as other tools call it; empty when both are absent
};

/// A weight [N, K] of 4-bit integers as other tools pack them: w = f32(scale) * (q - zero), a scale and a zero for
/// each output and group of inputs. Made, and checked, by find_int4.
struct StoredInt4 {
  /// gptq: qweight [K / 8, N], eight inputs in a word; awq: qweight [K, N / 8], eight outputs in a word.
  enum class Layout { gptq, awq };

  Layout layout = Layout::gptq;
  i64 outputs = 0, inputs = 0;   ///< of the rows that are used
  i64 first = 0;                 ///< stored output that row 0 is
  i64 stored_outputs = 0;        ///< N of the file
  i64 group = 0;                 ///< inputs that share a scale
  bool zeros_minus_one = false;  ///< stored zeros are one less than meant
  const StoredTensor* qweight = nullptr;
  const StoredTensor* qzeros = nullptr;  ///< [groups, N / 8]
  const StoredTensor* scales = nullptr;  ///< F16 [groups, N]
  const StoredTensor* g_idx = nullptr;   ///< [K], the group of each input; null when inputs are in order

  i64 group_of(i64 k) const noexcept { return g_idx ? i64(std::int32_t(word(*g_idx, k))) : k / group; }
  f16 scale(i64 g, i64 n) const noexcept {
    f16 x;
    std::memcpy(&x, scales->bytes.data() + std::size_t(g * stored_outputs + first + n) * sizeof x, sizeof x);
    return x;
  }
  /// 0..16
  int zero(i64 g, i64 n) const noexcept {
    const i64 column = first + n;
    const std::uint32_t packed = word(*qzeros, g * (stored_outputs / 8) + column / 8);
    return int(packed >> shift(column) & 15) + int(zeros_minus_one);
  }
  /// 0..15
  int code(i64 k, i64 n) const noexcept {
    const i64 column = first + n;
    if (layout == Layout::gptq)
      return int(word(*qweight, k / 8 * stored_outputs + column) >> (4 * (k % 8)) & 15);
    return int(word(*qweight, k * (stored_outputs / 8) + column / 8) >> shift(column) & 15);
  }
  /// The codes of inputs k .. k + 7, k a multiple of 8, the first in the lowest nibble.
  std::uint32_t eight_codes(i64 k, i64 n) const noexcept {
    if (layout == Layout::gptq) return word(*qweight, k / 8 * stored_outputs + first + n);
    std::uint32_t codes = 0;
    for (int j = 0; j < 8; ++j) codes |= std::uint32_t(code(k + j, n)) << (4 * j);
    return codes;
  }
  float value(i64 k, i64 n) const noexcept {
    const i64 g = group_of(k);
    return to_float(scale(g, n)) * float(code(k, n) - zero(g, n));
  }

 private:
  static std::uint32_t word(const StoredTensor& t, i64 i) noexcept {
    std::uint32_t x;
    std::memcpy(&x, t.bytes.data() + std::size_t(i) * sizeof x, sizeof x);  // may be unaligned
    return x;
  }
  /// Where a column's nibble lies in a word of eight columns; awq holds 0 2 4 6 1 3 5 7 from the lowest up.
  int shift(i64 column) const noexcept {
    const int c = int(column % 8);
    return layout == Layout::gptq ? 4 * c : 4 * (c % 2 * 4 + c / 2);
  }
};

/// The weight [outputs, inputs] that `name`.qweight, .qzeros, .scales and perhaps .g_idx hold; nothing when there is
/// no `name`.qweight. GPTQ and AWQ are told apart by the shape of qweight; whether zeros are stored minus one is told by
/// the config, else by the zeros of a symmetric weight (all 7: minus one, all 8: not).
/// error: bits other than 4, a quant_method or packing_format that is not known, a group size that does not divide the
/// inputs, a missing tensor, another shape or type, a group index out of range; the message names the tensor
std::optional<StoredInt4> find_int4(const Checkpoint& checkpoint,
                                    const std::optional<QuantizationConfig>& config, const std::string& name,
                                    i64 outputs, i64 inputs);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "int4_checkpoint.cpp"
#endif
