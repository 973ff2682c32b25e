#pragma once

#include <math.h>

#include "../kernels.hpp"

// The references of norms, RoPE, activations and softmax.
namespace la::inline LA_ABI::kernels::scalar {

inline void layer_norm_scalar(const float* x, const float* weight, const float* bias, float eps, i64 n,
                              float* y) noexcept {
  double mean = 0, variance = 0;
  for (i64 i = 0; i < n; ++i) mean += double(x[i]);
  mean /= double(n);
  for (i64 i = 0; i < n; ++i) variance += (double(x[i]) - mean) * (double(x[i]) - mean);
  const double scale = 1 / sqrt(variance / double(n) + double(eps));
  for (i64 i = 0; i < n; ++i)
    y[i] = float((double(x[i]) - mean) * scale * double(weight[i]) + double(bias[i]));
}

inline void rms_norm_scalar(const float* x, const float* weight, float eps, i64 n, float* y) noexcept {
  double square = 0;
  for (i64 i = 0; i < n; ++i) square += double(x[i]) * double(x[i]);
  const double scale = 1 / sqrt(square / double(n) + double(eps));
  for (i64 i = 0; i < n; ++i) y[i] = float(double(x[i]) * scale * double(weight[i]));
}

inline void rope_interleaved_scalar(float* x, const float* cos, const float* sin, i64 d) noexcept {
  for (i64 p = 0; p < d / 2; ++p) {
    const float a = x[2 * p], b = x[2 * p + 1];
    x[2 * p] = a * cos[p] - b * sin[p];
    x[2 * p + 1] = a * sin[p] + b * cos[p];
  }
}

inline void rope_halves_scalar(float* x, const float* cos, const float* sin, i64 d) noexcept {
  for (i64 p = 0; p < d / 2; ++p) {
    const float a = x[p], b = x[p + d / 2];
    x[p] = a * cos[p] - b * sin[p];
    x[p + d / 2] = a * sin[p] + b * cos[p];
  }
}

inline void gelu_tanh_scalar(const float* x, i64 n, float* y) noexcept {
  constexpr double sqrt_2_over_pi = 0.7978845608028654;
  for (i64 i = 0; i < n; ++i) {
    const double v = double(x[i]);
    y[i] = float(0.5 * v * (1 + tanh(sqrt_2_over_pi * (v + 0.044715 * v * v * v))));
  }
}

inline void gelu_erf_scalar(const float* x, i64 n, float* y) noexcept {
  constexpr double sqrt_half = 0.7071067811865476;
  for (i64 i = 0; i < n; ++i) y[i] = float(0.5 * double(x[i]) * (1 + erf(double(x[i]) * sqrt_half)));
}

inline void swiglu_scalar(const float* a, const float* b, i64 n, float* y) noexcept {
  for (i64 i = 0; i < n; ++i) y[i] = float(double(a[i]) / (1 + exp(-double(a[i]))) * double(b[i]));
}

inline void softmax_scalar(float* x, i64 n) noexcept {
  constexpr float lowest = -3.402823466e38f;  // finite: -ffast-math takes infinities for impossible
  float max = lowest;
  for (i64 i = 0; i < n; ++i) max = x[i] > max ? x[i] : max;
  if (max == lowest) max = 0;
  double sum = 0;
  for (i64 i = 0; i < n; ++i) sum += exp(double(x[i]) - double(max));
  for (i64 i = 0; i < n; ++i) x[i] = sum == 0 ? 0.0f : float(exp(double(x[i]) - double(max)) / sum);
}

}  // namespace la::inline LA_ABI::kernels::scalar
