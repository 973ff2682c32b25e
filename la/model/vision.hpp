#pragma once

#include <memory>

#include "../core/inline.hpp"
#include "../image/patches.hpp"
#include "../ops/workspace.hpp"
#include "config.hpp"
#include "weights.hpp"

namespace la {

/// Patches that go through the wide layers at a time: enough to fill a matrix product, few enough that the ffn's
/// intermediate stays small beside the picture's own rows.
inline constexpr i64 kVisionChunk = 1024;

/// MoonViT: patches of one picture to merged features.
class VisionModel {
 public:
  VisionModel(const VisionConfig& config, const VisionWeights& weights, Ops& ops);

  /// shape: merged [P/4, 4C], in the backend's memory; row (i, j) joins patches (2i, 2j), (2i, 2j+1), (2i+1, 2j) and
  /// (2i+1, 2j+1)
  /// cost: memory linear in P, attention quadratic in time only
  void encode(const Patches& patches, Workspace& workspace, Matrix merged);

 private:
  void embed(const Patches& patches, Workspace& workspace, Matrix x);
  void block(const VisionBlock& b, const struct RopeTable& rope, Workspace& workspace, Matrix x);

  const VisionConfig& config_;
  const VisionWeights& weights_;
  Ops& ops_;
  std::unique_ptr<KvCache> kv_;  // one layer, refilled by every block
};

/// LayerNorm, Linear, GELU(erf), Linear: merged vision features to rows the decoder takes in place of embeddings.
/// shape: merged [N, 4C vision], projected [N, C text]
void project(const ProjectorWeights& weights, ConstMatrix merged, Ops& ops, Workspace& workspace, Matrix projected);

}  // namespace la

#if !defined(LA_COMPILED)
#include "vision.cpp"
#endif
