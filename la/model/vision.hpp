#pragma once

#include <memory>

#include "../core/inline.hpp"
#include "../core/interrupt.hpp"
#include "../image/patches.hpp"
#include "../ops/workspace.hpp"
#include "config.hpp"
#include "model_weights.hpp"

namespace la::inline LA_ABI {

/// Patches that go through a layer at a time: 1056, whole attention calls of 48 rows, and all of a picture of 448x448.
/// Enough to fill a matrix product; and 1056 rows of the 3B's widest layer take 18 MB, whatever the size of the image.
inline constexpr i64 kVisionChunk = 22 * kernels::kAttentionRows;

/// MoonViT: patches of one picture to features.
class VisionModel {
 public:
  /// chunk: most patches at a time; changes no bit of the features
  VisionModel(const VisionConfig& config, const VisionWeights& weights, Ops& ops, i64 chunk = kVisionChunk);

  /// shape: features [P, C], in the backend's memory, a row for each patch
  /// cost: memory linear in P: the features, one layer's keys and values, and the patches, which are let go once they
  /// are read; attention quadratic in time only
  /// error: Interrupted; it is asked for each chunk of each layer, twice
  void encode(std::unique_ptr<ImagePatches> patches, Workspace& workspace, Matrix features,
              const Interrupt& interrupt = {});
  void encode(Patches patches, Workspace& workspace, Matrix features, const Interrupt& interrupt = {});

 private:
  void embed(const ImagePatches& patches, Workspace& workspace, Matrix x, const Interrupt& interrupt);
  void block(const VisionBlock& b, const struct RopeTable& rope, KvCache& kv, Workspace& workspace, Matrix x,
             const Interrupt& interrupt);

  const VisionConfig& config_;
  const VisionWeights& weights_;
  Ops& ops_;
  i64 chunk_;
};

/// Rows [first, first + N) of the picture's merged features: row (i, j) joins patches (2i, 2j), (2i, 2j+1), (2i+1, 2j)
/// and (2i+1, 2j+1) of the grid.
/// shape: features [P, C], merged [N, 4C]
void merge_patches(ConstMatrix features, i64 grid_w, i64 first, Ops& ops, Matrix merged);

/// Merged features through LayerNorm, Linear, GELU(erf), Linear: rows the decoder takes in place of embeddings.
/// shape: features [P, C vision], projected [P/4, C text]; at most `chunk` rows of them at a time
/// error: Interrupted; it is asked for each chunk
void project(const ProjectorWeights& weights, ConstMatrix features, i64 grid_w, Ops& ops,
             Workspace& workspace, Matrix projected, i64 chunk = kVisionChunk,
             const Interrupt& interrupt = {});

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "vision.cpp"
#endif
