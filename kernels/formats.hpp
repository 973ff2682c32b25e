#pragma once

#include <cstddef>
#include <cstdint>

#include "abi.hpp"

/// Weight formats, as kernels read them. All are panels of 16 output columns (kPanel), panel after panel, the last
/// one padded with columns of zeros. Types only, as in kernels.hpp.
///
///   f32      [K][16] float
///   bf16     [K][16] upper halves of floats
///   q8       [ceil(K / 128)] Q8Block: 8 bits, a scale per column and 128 inputs         8.25 bits a weight
///   q4_g128  [ceil(K / 128)] Q4Block<128>: 4 bits, a scale and a zero point             4.25
///   q4_g32   [ceil(K / 32)] Q4Block<32>                                                 5
///
/// Integer blocks hold four consecutive inputs of a column in four consecutive bytes, for the 4-way dot products
/// (dpbusd, sdot, maddubs + madd); columns follow each other. Inputs beyond K are padded with weights of zero.
namespace la::inline LA_ABI::kernels {

enum class PanelFormat { f32, bf16, q8, q4_g128, q4_g32 };
inline constexpr int kPanelFormats = 5;

/// 128 inputs of 16 columns: w = scale * (q - 128). q is never 0, so |q - 128| <= 127.
struct alignas(64) Q8Block {
  static constexpr int kGroup = 128, kBits = 8;
  float scale[16];
  std::uint8_t q[kGroup / 4][16][4];  ///< input 4 i + j of column c at [i][c][j]
};

/// G inputs of 16 columns: w = scale * (q - zero), the product in f32.
template <int G>
struct alignas(64) Q4Block {
  static constexpr int kGroup = G, kBits = 4;
  std::uint16_t scale[16];  ///< IEEE half bits, may be negative
  std::uint8_t zero[16];    ///< 0..16
  std::uint8_t padding[16];
  /// Input 8 i + j of column c in the low nibble of [i][c][j], input 8 i + 4 + j in the high.
  std::uint8_t q[std::size_t(G / 8)][16][4];
};

static_assert(sizeof(Q8Block) == 64 + 2048);
static_assert(sizeof(Q4Block<128>) == 64 + 1024);
static_assert(sizeof(Q4Block<32>) == 64 + 256);

/// A row of activations quantised on the fly, group by group: x = scale * q, |q| <= 127, rounded to nearest even.
/// Inputs beyond K are zeros. Groups have the size of the weight's, so q holds round_up(K, G) values.
struct QuantizedRows {
  const std::int8_t* q = nullptr;  ///< [M, stride]
  const float* scale = nullptr;    ///< [M, groups]
  const float* sum = nullptr;      ///< [M, groups] sum of q, exact, which the zero points are multiplied with
  std::int64_t stride = 0, groups = 0;
};

/// A good QuantizedRows::stride for K inputs: rows start a cache line off from multiples of 128, so that those read
/// side by side do not share cache sets.
constexpr std::int64_t quantized_stride(std::int64_t k) noexcept {
  return (k + 127) / 128 * 128 + 64;
}

}  // namespace la::inline LA_ABI::kernels
