#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../core/inline.hpp"
#include "../io/checkpoint.hpp"
#include "../ops/ops.hpp"
#include "config.hpp"

namespace la::inline LA_ABI {

/// A small tensor widened to f32 in the backend's memory.
struct DeviceVector {
  std::shared_ptr<std::byte> memory;
  ConstVector view;
};

struct LayerNorm {
  DeviceVector weight, bias;
};

/// C channels, F ffn.
struct VisionBlock {
  LayerNorm norm0;              // [C]
  std::unique_ptr<Weight> q;    // [C, C]
  std::unique_ptr<Weight> kv;   // [2C, C]: k, then v
  std::unique_ptr<Weight> wo;   // [C, C]
  LayerNorm norm1;              // [C]
  std::unique_ptr<Weight> fc0;  // [F, C]
  std::unique_ptr<Weight> fc1;  // [C, F]
};

struct VisionWeights {
  std::unique_ptr<Weight> patch_embed;  // [C, 3 * 14 * 14]
  DeviceVector position_grid;           // [h, w, C]
  std::vector<VisionBlock> blocks;
  LayerNorm final_norm;  // [C]
};

/// From 2x2 merged patches to the decoder's channels.
struct ProjectorWeights {
  LayerNorm norm;                   // [4C]
  std::unique_ptr<Weight> linear1;  // [text C, 4C]
  std::unique_ptr<Weight> linear2;  // [text C, text C]
};

/// H query heads, G key/value heads of D channels.
struct DecoderLayer {
  DeviceVector input_norm;           // [C]
  std::unique_ptr<Weight> qkv;       // [(H + 2G) D, C]: q, k, v
  std::unique_ptr<Weight> o;         // [C, H D]
  DeviceVector post_attention_norm;  // [C]
  std::unique_ptr<Weight> gate_up;   // [2F, C]: gate, then up
  std::unique_ptr<Weight> down;      // [C, F]
};

struct LanguageWeights {
  std::unique_ptr<Weight> embedding;  // [V, C]
  std::vector<DecoderLayer> layers;
  DeviceVector norm;                    // [C]
  std::unique_ptr<Weight> untied_head;  // [V, C] or null when the embedding serves as head
  const Weight& head() const noexcept { return untied_head ? *untied_head : *embedding; }
};

/// All weights of a model, packed by a backend.
struct ModelWeights {
  VisionWeights vision;
  ProjectorWeights projector;
  LanguageWeights language;
  std::vector<std::string> warnings;
  /// Bytes held by linear layers and the embedding.
  std::size_t bytes = 0;
  /// The checkpoint's files; those that still exist hold weights that are used where they lie.
  std::vector<std::weak_ptr<const MappedFile>> files;

  /// error: such a file was cut short, see MappedFile::require_whole
  void require_whole() const;
};

/// The parts of a model that can be held in different formats; head is the embedding and the output head.
enum class ModelPart { decoder, vision, projector, head };

/// A linear weight as the checkpoint holds it, before it is packed.
struct StoredWeight {
  std::string
      name;  ///< of the stack, as packed files call it: "language_model.model.layers.0.self_attn.qkv_proj"
  ModelPart part = ModelPart::decoder;
  std::span<const WeightPart> parts;
};

/// Called after each part of the model with the share done, 0..1.
using Progress = std::function<void(double done)>;

/// Reads every tensor once, layer by layer; file pages are given back as they are packed.
/// error: a tensor is missing or has another shape or type than the config asks for, a file was cut short
ModelWeights load_weights(const Checkpoint& checkpoint, const ModelConfig& config, Ops& ops,
                          WeightFormat format, const Progress& progress = {});

/// Visits every linear weight, in the order in which load_weights makes them.
/// error: as load_weights
void for_each_weight(const Checkpoint& checkpoint, const ModelConfig& config,
                     const std::function<void(const StoredWeight&)>& visit);

/// Checks that every tensor is there with its shape and type, without reading a weight.
/// error: as load_weights
void check_weights(const Checkpoint& checkpoint, const ModelConfig& config);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "load_weights.cpp"
#endif
