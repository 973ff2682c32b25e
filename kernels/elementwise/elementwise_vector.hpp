#pragma once

#include "../common/vector.hpp"

// Norms, RoPE, activations and softmax on xsimd, for every vector instruction set.
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

inline void layer_norm(const float* x, const float* weight, const float* bias, float eps, i64 n,
                       float* y) noexcept {
  const float mean = sum(x, n, 0.0f, [](V v) { return v; }) / float(n);
  const V m(mean);
  const float variance = sum(x, n, mean, [m](V v) { return (v - m) * (v - m); }) / float(n);
  const V scale(1.0f / sqrtf(variance + eps));
  const auto normalise = [m, scale](V v, V w, V b) { return fma((v - m) * scale, w, b); };
  i64 i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, normalise(load(x + i), load(weight + i), load(bias + i)));
  if (const i64 rest = n - i; rest > 0)
    store_tail(
        y + i, rest,
        normalise(load_tail(x + i, rest, 0), load_tail(weight + i, rest, 0), load_tail(bias + i, rest, 0)));
}

inline void rms_norm(const float* x, const float* weight, float eps, i64 n, float* y) noexcept {
  const float square = sum(x, n, 0.0f, [](V v) { return v * v; }) / float(n);
  const V scale(1.0f / sqrtf(square + eps));
  map(x, weight, n, y, [scale](V v, V w) { return v * scale * w; });
}

inline void rope_halves(float* x, const float* cos, const float* sin, i64 d) noexcept {
  const i64 half = d / 2;
  const auto turn = [&](i64 p, auto get, auto put) {
    const V a = get(x + p), b = get(x + half + p), c = get(cos + p), s = get(sin + p);
    put(x + p, a * c - b * s);
    put(x + half + p, fma(a, s, b * c));
  };
  i64 p = 0;
  for (; p + kLanes <= half; p += kLanes)
    turn(
        p, [](const float* q) { return load(q); }, store);
  if (const i64 rest = half - p; rest > 0)
    turn(
        p, [rest](const float* q) { return load_tail(q, rest, 0); },
        [rest](float* q, V v) { store_tail(q, rest, v); });
}

/// Pairs are neighbours here: a plain loop, which the compiler shuffles well enough for a kernel this rare.
inline void rope_interleaved(float* x, const float* cos, const float* sin, i64 d) noexcept {
  for (i64 p = 0; p < d / 2; ++p) {
    const float a = x[2 * p], b = x[2 * p + 1];
    x[2 * p] = a * cos[p] - b * sin[p];
    x[2 * p + 1] = a * sin[p] + b * cos[p];
  }
}

/// As (1 + tanh u) / 2 = 1 / (1 + exp(-2 u)), which is half the instructions.
inline void gelu_tanh(const float* x, i64 n, float* y) noexcept {
  map(x, n, y, [](V v) {
    const V inner = V(-2 * 0.7978845608f) * fma(V(0.044715f) * v * v, v, v);
    return v / (V(1.0f) + xsimd::exp(inner));
  });
}

inline void gelu_erf(const float* x, i64 n, float* y) noexcept {
  map(x, n, y, [](V v) { return V(0.5f) * v * (V(1.0f) + xsimd::erf(v * V(0.7071067812f))); });
}

inline void swiglu(const float* a, const float* b, i64 n, float* y) noexcept {
  map(a, b, n, y, [](V g, V u) { return g / (V(1.0f) + xsimd::exp(-g)) * u; });
}

inline void softmax(float* x, i64 n) noexcept {
  constexpr float lowest = -3.402823466e38f;  // finite: -ffast-math takes infinities for impossible
  float max = lowest;
  for (i64 i = 0; i < n; ++i) max = x[i] > max ? x[i] : max;
  const V m(max == lowest ? 0.0f : max);
  map(x, n, x, [m](V v) { return exp_fast(v - m); });
  const float total = sum(x, n, 0.0f, [](V v) { return v; });
  const V scale(total == 0 ? 0.0f : 1.0f / total);
  map(x, n, x, [scale](V v) { return v * scale; });
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
