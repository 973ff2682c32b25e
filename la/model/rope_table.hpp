#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "../core/tensor.hpp"
#include "../ops/workspace.hpp"

namespace la::inline LA_ABI {

/// cos and sin of each token's angles, in the backend's memory.   shape: [T, D/2]
struct RopeTable {
  ConstMatrix cos, sin;
};

namespace detail {

/// base^(-exponent) and then position * frequency, each rounded to f32 before the cosine, as the reference does: f64
/// angles move the cosine by 3e-4 at position 6500.
inline float rope_frequency(double base, double exponent) {
  return float(1.0 / float(std::pow(base, float(exponent))));
}

template <class Angle>
RopeTable make_rope_table(i64 tokens, i64 pairs, Ops& ops, Workspace& workspace, const Angle& angle) {
  std::vector<float> cos(std::size_t(tokens * pairs)), sin(cos.size());
  for (i64 t = 0; t < tokens; ++t)
    for (i64 p = 0; p < pairs; ++p) {
      const float turn = angle(t, p);
      cos[std::size_t(t * pairs + p)] = float(std::cos(double(turn)));
      sin[std::size_t(t * pairs + p)] = float(std::sin(double(turn)));
    }
  const Matrix c = workspace.matrix(tokens, pairs), s = workspace.matrix(tokens, pairs);
  ops.upload(cos.data(), c.data, cos.size() * sizeof(float));
  ops.upload(sin.data(), s.data, sin.size() * sizeof(float));
  return {c, s};
}

}  // namespace detail

/// Decoder: pair p of a token at position t turns by t * theta^(-2p/D).
inline RopeTable text_rope(std::span<const std::int32_t> positions, i64 head_size, double theta, Ops& ops,
                           Workspace& workspace) {
  std::vector<float> frequency;
  for (i64 p = 0; p < head_size / 2; ++p)
    frequency.push_back(detail::rope_frequency(theta, double(2 * p) / double(head_size)));
  return detail::make_rope_table(i64(positions.size()), head_size / 2, ops, workspace, [&](i64 t, i64 p) {
    return float(positions[std::size_t(t)]) * frequency[std::size_t(p)];
  });
}

/// MoonViT: of the patch at row y, column x, pair 2i turns by x f_i and pair 2i+1 by y f_i, f_i = 10000^(-4i/D).
inline RopeTable vision_rope(i64 grid_h, i64 grid_w, i64 head_size, Ops& ops, Workspace& workspace) {
  std::vector<float> frequency;
  for (i64 i = 0; i < head_size / 4; ++i)
    frequency.push_back(detail::rope_frequency(10000.0, double(4 * i) / double(head_size)));
  return detail::make_rope_table(grid_h * grid_w, head_size / 2, ops, workspace, [&](i64 t, i64 p) {
    return float(p % 2 == 0 ? t % grid_w : t / grid_w) * frequency[std::size_t(p / 2)];
  });
}

}  // namespace la::inline LA_ABI
