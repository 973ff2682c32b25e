#pragma once

#include <math.h>

#include "../kernels.hpp"

// xsimd takes its instruction set from the compiler's flags. In a file compiled for one instruction set its
// namespace is renamed after it, so that the linker cannot merge one set's functions with another's.
#if defined(LA_KERNELS_RENAME_XSIMD)
#define xsimd LA_KERNELS_RENAME_XSIMD
#endif
#include <xsimd/xsimd.hpp>

#if defined(__wasm_simd128__)
#include "fused_wasm.hpp"
#endif

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

using V = xsimd::batch<float>;
using VInt = xsimd::batch<std::int32_t>;

/// The same bits as another batch: xsimd's cast takes the batch up to version 10, then its element type.
template <class To, class From>
inline To as_lanes(From v) noexcept {
#if XSIMD_VERSION_MAJOR >= 11
  return xsimd::bitwise_cast<typename To::value_type>(v);
#else
  return xsimd::bitwise_cast<To>(v);
#endif
}

inline constexpr i64 kLanes = i64(V::size);

inline V load(const float* p) noexcept {
  return V::load_unaligned(p);
}
inline void store(float* p, V v) noexcept {
  v.store_unaligned(p);
}

/// a * b + c, rounded once, but not in WebAssembly, see fused(). xsimd 9 has none for AVX-512 and leaves it to the
/// compiler: clang then rounds twice.
inline V fma(V a, V b, V c) noexcept {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#else
  return xsimd::fma(a, b, c);
#endif
}

/// a * b + c, rounded once, whatever it costs.
inline V fused(V a, V b, V c) noexcept {
#if defined(__wasm_simd128__)
  const auto bits = [](V v) { return v128_t(typename V::register_type(v)); };
  return V(typename V::register_type(fused4(bits(a), bits(b), bits(c))));
#else
  return fma(a, b, c);
#endif
}

/// The first n < kLanes values, the other lanes `fill`: tails go through the same arithmetic as full vectors.
inline V load_tail(const float* p, i64 n, float fill) noexcept {
  float lane[kLanes];
  for (i64 i = 0; i < kLanes; ++i) lane[i] = i < n ? p[i] : fill;
  return load(lane);
}

inline void store_tail(float* p, i64 n, V v) noexcept {
  float lane[kLanes];
  store(lane, v);
  for (i64 i = 0; i < n; ++i) p[i] = lane[i];
}

/// f of all lanes as a balanced tree, in the same order for every instruction set of this width.
template <class Batch, class F>
inline auto fold_lanes(Batch v, F f) noexcept {
  typename Batch::value_type lane[kLanes];
  v.store_unaligned(lane);
#pragma GCC unroll 4  // rolled, halves of unknown length are not worth vectors to g++
  for (i64 half = kLanes / 2; half > 0; half /= 2)
    for (i64 i = 0; i < half; ++i) lane[i] = f(lane[i], lane[i + half]);
  return lane[0];
}

inline float sum_lanes(V v) noexcept {
  return fold_lanes(v, [](float a, float b) { return a + b; });
}

/// With a NaN among them, one of them or NaN.
inline float max_lanes(V v) noexcept {
  return fold_lanes(v, [](float a, float b) { return a > b ? a : b; });
}

/// y[i] = f(x[i]) for n values.
template <class F>
inline void map(const float* x, i64 n, float* y, F f) noexcept {
  i64 i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(x + i)));
  if (i < n) store_tail(y + i, n - i, f(load_tail(x + i, n - i, 0)));
}

/// y[i] = f(a[i], b[i]) for n values.
template <class F>
inline void map(const float* a, const float* b, i64 n, float* y, F f) noexcept {
  i64 i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(a + i), load(b + i)));
  if (i < n) store_tail(y + i, n - i, f(load_tail(a + i, n - i, 0), load_tail(b + i, n - i, 0)));
}

/// Sum of f(x[i]), where f(fill) must be zero. Four running sums hide the latency of the add.
template <class F>
inline float sum(const float* x, i64 n, float fill, F f) noexcept {
  V s0(0.0f), s1(0.0f), s2(0.0f), s3(0.0f);
  i64 i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    s0 += f(load(x + i));
    s1 += f(load(x + i + kLanes));
    s2 += f(load(x + i + 2 * kLanes));
    s3 += f(load(x + i + 3 * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) s0 += f(load(x + i));
  if (i < n) s1 += f(load_tail(x + i, n - i, fill));
  return sum_lanes((s0 + s1) + (s2 + s3));
}

/// exp(x) for x <= 0, to about 1 ulp; 0 below -87.3 and for -inf; NaN stays NaN. Softmax needs no more, and it is
/// half the instructions of a general exp.
/// source: Cephes expf: 2^n * P(r), r = x - n ln 2 in two parts
inline V exp_fast(V unbounded) noexcept {
  const V low(-87.33654f),
      round(12582912.0f);  // adding 1.5 * 2^23 leaves the nearest integer in the lowest bits
  // -inf would make inf - inf, a trap in programs that ask for them.
#if defined(__wasm_simd128__)
  const V x = xsimd::select(unbounded < low, low, unbounded);  // its max gives the other of a NaN
#else
  const V x = xsimd::max(low, unbounded);
#endif
  const V shifted = fma(x, V(1.44269504f), round);
  const V n = shifted - round;
  const V r = fma(n, V(2.12194440e-4f), fma(n, V(-0.693359375f), x));
  V p = fma(V(1.9875691500e-4f), r, V(1.3981999507e-3f));
  p = fma(p, r, V(8.3334519073e-3f));
  p = fma(p, r, V(4.1665795894e-2f));
  p = fma(p, r, V(1.6666665459e-1f));
  p = fma(p, r, V(5.0000001201e-1f));
  p = fma(p, r * r, r + V(1.0f));
  const VInt power = (as_lanes<VInt>(shifted) << 23) + as_lanes<VInt>(V(1.0f));
  return xsimd::select(unbounded < low, V(0.0f), p * as_lanes<V>(power));
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
