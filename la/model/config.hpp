#pragma once

#include <optional>
#include <string>

#include "../core/inline.hpp"
#include "../core/tensor.hpp"
#include "../image/patches.hpp"
#include "../io/checkpoint_files.hpp"
#include "../text/special_tokens.hpp"
#include "../weights/int4_checkpoint.hpp"

namespace la::inline LA_ABI {

/// The Qwen2 decoder.
struct TextConfig {
  i64 hidden_size = 0, intermediate_size = 0;
  i64 layers = 0;
  i64 heads = 0, kv_heads = 0;
  i64 head_dim = 0;  ///< hidden_size / heads, even
  i64 vocab_size = 0, max_positions = 0;
  float rms_eps = 0;
  double rope_theta = 0;
  bool tie_word_embeddings = false;
};

/// The MoonViT encoder.
struct VisionConfig {
  i64 hidden_size = 0, intermediate_size = 0;
  i64 layers = 0, heads = 0;
  i64 head_dim = 0;  ///< hidden_size / heads, a multiple of 4: RoPE turns pairs by row and by column
  i64 patch_size = 0;
  i64 grid_h = 0, grid_w = 0;  ///< of the stored position embedding
  i64 merge = 2;               ///< patches a side that become one image token
};

/// The sizes, ids and settings of a checkpoint, checked: heads divide, ids are inside the vocabulary, sizes are
/// within limits that leave every product of them far from overflow.
struct ModelConfig {
  TextConfig text;
  VisionConfig vision;
  SpecialTokens tokens;
  ProcessorConfig processor;
  std::optional<QuantizationConfig> quantization;
  std::string directory;  ///< for messages, see CheckpointFiles::directory

  /// Reads config.json, preprocessor_config.json and, where config.json has no quantization_config,
  /// quantization_config.json.
  /// error: a missing or malformed file, key or value; a model of another kind (block_size other than 6,
  /// causal_attn, another activation, a sliding window, RoPE scaling); the message names file and key
  static ModelConfig load(const CheckpointFiles& source);
};

/// preprocessor_config.json; absent keys keep the defaults of ProcessorConfig.
/// error: as ModelConfig::load
ProcessorConfig load_processor_config(const CheckpointFiles& source);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "config.cpp"
#endif
