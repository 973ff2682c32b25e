#pragma once

#include <cstdint>

#include "formats.hpp"

/// The kernel interface: plain structs of pointers and one table of functions.
///
/// Every kernel has a scalar reference of the same signature; an instruction set overrides entries of the table.
/// Kernels are noexcept, allocate nothing, print nothing, use no threads and keep no state: the caller splits the
/// work. A row of an output depends on that row of the input alone, and the order of its sums never changes with
/// the number of rows, so any split gives the same bits.
///
/// This header holds types only, and functions that are always inlined: it is included by files compiled for
/// different instruction sets, where the linker would merge an inline function into one copy of somebody else's set.
namespace la::inline LA_ABI::kernels {

using i64 = std::int64_t;

/// Columns of a packed weight panel.
inline constexpr int kPanel = 16;
/// Keys of a key/value page.
inline constexpr int kPageKeys = 64;
/// Most query rows of one attention call.
inline constexpr int kAttentionRows = 48;
/// Keys of a part of an attention: two pages, so that the merging of parts costs 2 % at most.
inline constexpr int kPartKeys = 128;

enum class Store { overwrite, add };

/// C = A W^T + bias, or C += A W^T + bias, in f32.
///
/// Weights are packed in panels of 16 output columns, see formats.hpp and the picture in kernels/README.md.
///
/// Each C[m][n] is one chain of multiply-adds over k = 0 .. K-1 from zero; bias, then the old C, are added last.
struct Gemm {
  const float* a = nullptr;  ///< [M, K], row stride lda
  i64 lda = 0;
  const void* panels = nullptr;  ///< [ceil(N / 16)] panels of the kernel's format, see formats.hpp
  const float* bias = nullptr;   ///< [N] or null
  float* c = nullptr;            ///< [M, N], row stride ldc; written within these bounds only
  i64 ldc = 0;
  i64 m = 0, n = 0, k = 0;
  Store store = Store::overwrite;
  float* scratch = nullptr;  ///< kGemmScratch floats, 64-byte aligned, private to the call
};

/// Block sizes of the f32 products, under BLIS's names; see gemm/gemm_blocked.hpp.
struct GemmBlocking {
  static constexpr i64 MC = 144;          ///< rows whose packed A and partial sums stay in L2
  static constexpr i64 NC = 36 * kPanel;  ///< columns that share one packing of A
  static constexpr i64 KC = 256;  ///< inputs: a panel of so many (16 KiB) fits L1 beside its rows of A
  static constexpr i64 kMaxNR = 4 * kPanel;  ///< columns of the widest register tile
};

/// Floats of Gemm::scratch: partial sums of a block of C, its rows of A, and the expanded panels of one tile.
inline constexpr i64 kGemmScratch = GemmBlocking::MC * GemmBlocking::NC +
                                    GemmBlocking::MC * GemmBlocking::KC +
                                    GemmBlocking::kMaxNR * GemmBlocking::KC;

/// C = A W^T + bias, or C += that, with integer weights and activations quantised to 8 bits:
/// c = sum over groups, in order, of (a.scale * w.scale) * float(sum_k a.q (w.q - w.zero)), the inner sum exact;
/// the product of the scales is rounded once and so is the multiply-add, which is fused: every instruction set gives
/// the same bits. Bias, then the old C, last.
struct QGemm {
  QuantizedRows a;
  const void* panels = nullptr;  ///< [ceil(N / 16), groups] Q8Block or Q4Block
  const float* bias = nullptr;   ///< [N] or null
  float* c = nullptr;            ///< [M, N], row stride ldc
  i64 ldc = 0;
  i64 m = 0, n = 0;
  Store store = Store::overwrite;
  float* scratch = nullptr;  ///< kGemmScratch floats, 64-byte aligned, private to the call
};

/// One row quantised as QuantizedRows describes, in groups of `group`, 32 or 128; the same bits on every
/// instruction set: scale = amax / 127, q = the exact x * f32(127 / amax), rounded to nearest even.
/// A group that is all below 2^-100, whose reciprocal could overflow, becomes zeros with scale 0. An infinite or NaN
/// value makes its group's scale NaN and its q zeros.
/// shape: x [k], q [round_up(k, group)], scale and sum [ceil(k / group)]
struct QuantizeRow {
  const float* x = nullptr;
  i64 k = 0, group = 0;
  std::int8_t* q = nullptr;
  float* scale = nullptr;
  float* sum = nullptr;
};

/// Which keys a query row sees: [0, prefix) and [window_begin, window_end).
struct KeyMask {
  std::int32_t prefix = 0;
  std::int32_t window_begin = 0, window_end = 0;
};

/// Streaming attention of up to 48 query rows that share one key/value head:
/// out_r = sum_j softmax_j(scale * q_r . k_j) v_j over the keys visible to row r.
///
/// Keys come in pages of 64. In a page, K is four panels of 16 keys, element (d, j) at [(j / 16) * D * 16 + d * 16
/// + j % 16]; V is ceil(D / 16) panels of 16 channels, element (j, d) at [(d / 16) * 64 * 16 + j * 16 + d % 16].
/// Slots without a key must hold finite numbers. A row that sees no key gives zeros.
///
/// The softmax of each part of 128 keys is computed alone, and parts are merged in order: so they can be computed apart,
/// with the same bits. With `states` an attention kernel leaves the parts that it is asked for there, and
/// attention_merge makes the output of all of them, from first_part 0 on.
struct Attention {
  const float* const* q = nullptr;   ///< [rows] pointers to D values
  float* const* out = nullptr;       ///< [rows] pointers to D values; may equal q
  const KeyMask* visible = nullptr;  ///< [rows]
  i64 rows = 0, d = 0;
  const float* const* pages = nullptr;  ///< page p holds keys 64 p .. 64 p + 63
  i64 k_offset = 0, v_offset = 0;       ///< where K and V of this layer and head start in a page
  float scale = 1;
  float* scratch = nullptr;       ///< attention_scratch floats, 64-byte aligned
  float* states = nullptr;        ///< null, or [all parts] attention_state floats, 64-byte aligned
  i64 first_part = 0, parts = 0;  ///< with states: those to compute, or to merge
};

/// Parts of the keys [0, end): as many as its length asks for, nothing else; at least one.
constexpr i64 attention_parts(i64 end) noexcept {
  return end <= kPartKeys ? 1 : (end + kPartKeys - 1) / kPartKeys;
}

/// Floats of what a part of the keys gives: for each row its sum of values, unnormalised, the largest score and up to 16
/// partial sums. The reference has doubles.
constexpr i64 attention_state(i64 rows, i64 d) noexcept {
  return rows * (2 * ((d + 15) / 16 * 16) + 32);
}

/// Floats of Attention::scratch for head size d.
constexpr i64 attention_scratch(i64 d) noexcept {
  return kAttentionRows * ((d + 15) / 16 * 16 + kPageKeys) + 2 * attention_state(kAttentionRows, d);
}

/// Signatures of the row kernels. n values each; x and y may be the same, and need no alignment.
using GemmKernel = void(const Gemm&) noexcept;
using QGemmKernel = void(const QGemm&) noexcept;
using QuantizeKernel = void(const QuantizeRow&) noexcept;
using AttentionKernel = void(const Attention&) noexcept;
using LayerNormKernel = void(const float* x, const float* weight, const float* bias, float eps, i64 n,
                             float* y) noexcept;
using RmsNormKernel = void(const float* x, const float* weight, float eps, i64 n, float* y) noexcept;
using RopeKernel = void(float* x, const float* cos, const float* sin, i64 d) noexcept;
using UnaryKernel = void(const float* x, i64 n, float* y) noexcept;
using BinaryKernel = void(const float* a, const float* b, i64 n, float* y) noexcept;
using InPlaceKernel = void(float* x, i64 n) noexcept;

/// One kernel for each format.
template <class Kernel>
struct ByFormat {
  Kernel* entry[kPanelFormats];

  [[gnu::always_inline]] constexpr Kernel*& operator[](PanelFormat f) noexcept { return entry[int(f)]; }
  [[gnu::always_inline]] constexpr Kernel* operator[](PanelFormat f) const noexcept { return entry[int(f)]; }
};

/// One implementation of every kernel.
struct Table {
  const char* isa;

  ByFormat<GemmKernel> gemm;    ///< C = A W^T + bias in f32; other formats are widened or dequantised exactly
  QuantizeKernel* quantize;     ///< a row to 8 bits, for the following
  ByFormat<QGemmKernel> qgemm;  ///< integer products; null for float formats
  AttentionKernel* attention;   ///< streaming softmax attention over key/value pages
  AttentionKernel* attention_merge;  ///< its output, from parts that were computed apart
  LayerNormKernel* layer_norm;       ///< y = (x - mean) / sqrt(var + eps) * weight + bias
  RmsNormKernel* rms_norm;           ///< y = x / sqrt(mean(x^2) + eps) * weight
  RopeKernel* rope_interleaved;      ///< turns pairs (2p, 2p+1) of d values by angle p of d/2
  RopeKernel* rope_halves;           ///< turns pairs (p, p + d/2) of d values by angle p of d/2
  UnaryKernel* gelu_tanh;            ///< y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  UnaryKernel* gelu_erf;             ///< y = x/2 (1 + erf(x / sqrt 2))
  BinaryKernel* swiglu;              ///< y = a / (1 + exp(-a)) * b
  InPlaceKernel* softmax;            ///< x = exp(x - max) / sum; a row of only -inf becomes zeros
};

}  // namespace la::inline LA_ABI::kernels
