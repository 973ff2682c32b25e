#pragma once

#include "la/model/config.hpp"

// The arithmetic that a picture and its prompt need, whatever computes it.
namespace la::bench {

/// units: multiplications and additions
struct Arithmetic {
  double products = 0;   ///< of linear layers; of integers where activations are
  double attention = 0;  ///< scores and weighted sums, in f32
};

/// Vision tower and projector.
inline Arithmetic vision_arithmetic(const ModelConfig& config, i64 patches) {
  const VisionConfig& v = config.vision;
  const double rows = double(patches), tokens = rows / double(v.merge * v.merge), c = double(v.hidden_size),
               text = double(config.text.hidden_size), merged = double(v.merge * v.merge) * c;
  const double layer = 4 * c * c + 2 * c * double(v.intermediate_size);
  const double embedding = double(3 * v.patch_size * v.patch_size) * c;
  return {2 * (rows * (double(v.layers) * layer + embedding) + tokens * (merged * text + text * text)),
          2 * double(v.layers) * rows * rows * 2 * c};
}

/// The decoder's layers on a prompt; of the last one keys and values alone, since few rows go on from there.
inline Arithmetic prefill_arithmetic(const ModelConfig& config, i64 tokens) {
  const TextConfig& t = config.text;
  const double rows = double(tokens), c = double(t.hidden_size), kv = double(t.kv_heads * t.head_dim),
               whole = double(t.layers - 1);
  const double layer = 2 * c * c + 3 * c * double(t.intermediate_size);
  return {2 * rows * (whole * layer + double(t.layers) * 2 * c * kv),
          2 * whole * (rows * (rows + 1) / 2) * 2 * c};
}

}  // namespace la::bench
