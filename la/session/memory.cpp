#include "memory.hpp"

#include <algorithm>

#include "../core/default_threads.hpp"
#include "../core/error.hpp"
#include "../image/patches.hpp"
#include "../image/resize.hpp"
#include "../ops/cuda/device_patches.hpp"
#include "../ops/cuda/driver.hpp"
#include "../weights/packed_weight.hpp"
#include "../ops/output_tiles.hpp"
#include "../ops/paged_kv_cache.hpp"
#include "../weights/weight_rows.hpp"
#include "../model/language.hpp"
#include "../model/vision.hpp"
#include "../model/model_weights.hpp"
#if defined(LA_WITH_CUDA)
#include "card_memory.hpp"
#endif

namespace la::inline LA_ABI {
namespace detail {

/// Bytes of the file that are mapped while this part is packed.
inline std::size_t stored_bytes(const WeightPart& part) noexcept {
  std::size_t bytes = 0;
  if (part.weight) bytes += part.weight->bytes.size();
  if (part.int4)
    for (const StoredTensor* t : {part.int4->qweight, part.int4->qzeros, part.int4->scales})
      if (t) bytes += t->bytes.size();
  return bytes;
}

/// weights and loading; bytes of the largest stored weight.
inline std::size_t estimate_weights(const Checkpoint& checkpoint, const ModelConfig& config,
                                    WeightFormat format, MemoryEstimate& estimate) {
  std::size_t largest = 0;
  for_each_weight(checkpoint, config, [&](const StoredWeight& stored) {
    const StackShape stacked(stored.parts);
    const PanelFormat chosen = PackedWeight::choose_format(stored.parts, format);
    estimate.weights += std::size_t(panel_count(stacked.outputs)) * panel_bytes(chosen, stacked.inputs);
    std::size_t source = 0;
    for (const WeightPart& part : stored.parts) {
      if (part.bias) estimate.weights += std::size_t(part.bias->size()) * sizeof(float);
      source += stored_bytes(part);
    }
    estimate.loading = std::max(estimate.loading, estimate.weights + source);
    largest = std::max(largest, source);
  });
  const VisionConfig& v = config.vision;
  const TextConfig& t = config.text;
  const i64 norms = v.layers * 4 * v.hidden_size + 2 * v.hidden_size + 2 * v.merge * v.merge * v.hidden_size +
                    (2 * t.layers + 1) * t.hidden_size;
  const std::size_t vectors = std::size_t(v.grid_h * v.grid_w * v.hidden_size + norms) * sizeof(float);
  estimate.weights += vectors;
  estimate.loading += vectors;
  return largest;
}

/// Floats of the forward passes' intermediate results, see VisionModel, project and LanguageModel.
inline i64 workspace_floats(const ModelConfig& config, i64 patches, i64 prompt, i64 logit_rows) noexcept {
  const VisionConfig& v = config.vision;
  const TextConfig& t = config.text;
  const i64 merge = v.merge * v.merge, chunk = std::min(kVisionChunk, patches);
  const i64 block =
      patches * v.head_dim + chunk * (2 * v.hidden_size + std::max(2 * v.hidden_size, v.intermediate_size));
  const i64 project = std::min(kVisionChunk, patches / merge) * (merge * v.hidden_size + t.hidden_size);
  const i64 vision = patches * v.hidden_size + std::max(block, project);
  const i64 tokens = std::min(kPrefillChunk, prompt) + logit_rows;
  const i64 qkv = (t.heads + 2 * t.kv_heads) * t.head_dim;
  const i64 language = logit_rows * (t.vocab_size + t.hidden_size) +
                       tokens * (2 * t.hidden_size + t.head_dim + qkv + 3 * t.intermediate_size);
  return std::max(vision, language) + logit_rows * t.vocab_size;  // the host's copy of the logits
}

/// Bytes of rows quantised to 8 bits, with a scale and a sum for each 128: those that go into the products of a layer after
/// attention are there at a time.
inline std::size_t quantized_rows(const ModelConfig& config, i64 patches, i64 prompt) noexcept {
  const VisionConfig& v = config.vision;
  const TextConfig& t = config.text;
  const i64 merge = v.merge * v.merge;
  const i64 most = std::max(
      {std::min(kVisionChunk, patches) * (2 * v.hidden_size + std::max(v.hidden_size, v.intermediate_size)),
       std::min(kVisionChunk, patches / merge) * (merge * v.hidden_size + t.hidden_size),
       (std::min(kPrefillChunk, prompt) + kBlockSize) * (2 * t.hidden_size + t.intermediate_size)});
  return std::size_t(most + most / 16);
}

/// What is left on the host when the model is on a card: pixels and its copy of the logits, the patches unless they are made
/// there, and while weights pass by, the one that is read and a slice of it.
inline void move_to_card(const ModelConfig& config, i64 logit_rows, std::size_t patch_bytes,
                         std::size_t largest_weight, MemoryEstimate& estimate) {
  const std::size_t logits = std::size_t(logit_rows * config.text.vocab_size) * sizeof(float);
  estimate.loading = largest_weight + cuda::kWeightSlice;
  estimate.weights = 0;
  estimate.encoding = patch_bytes;
  estimate.kv_cache = 0;
  estimate.workspace = logits;
}

}  // namespace detail

LA_INLINE MemoryEstimate estimate_memory(const Checkpoint& checkpoint, const ModelConfig& config,
                                         const MemoryPlan& plan) {
  const VisionConfig& v = config.vision;
  const TextConfig& t = config.text;
  const PixelSize read = plan.max_side > 0 ? limited_size(plan.width, plan.height, plan.max_side)
                                           : PixelSize{plan.width, plan.height};
  const SizePlan size = plan_size(read.width, read.height, config.processor);
  const i64 patches = size.grid_h * size.grid_w, rows = patches / (v.merge * v.merge);
  const i64 prompt = rows + plan.question_tokens;

  MemoryEstimate estimate;
  const std::size_t largest = detail::estimate_weights(checkpoint, config, plan.weights, estimate);

  // Questions share the prompt up to where they differ. Its last page is kept once more, for the next question.
  const PagedKvCache text({t.layers, t.kv_heads, t.head_dim}), vision({1, v.heads, v.head_dim});
  const i64 own = plan.question_tokens + plan.max_new_tokens + kBlockSize + kernels::kPageKeys;
  estimate.kv_cache = text.own_bytes(rows, 0) + std::size_t(plan.questions) * text.own_bytes(own, 0);
  // The patches are let go before the first keys are there.
  const i64 patch_values = patches * 3 * v.patch_size * v.patch_size;
  estimate.encoding = std::max(vision.own_bytes(patches, 0), std::size_t(patch_values) * sizeof(float));

  const int threads = plan.threads > 0 ? plan.threads : default_threads();
  const i64 scratch =
      std::max({kernels::kGemmScratch + detail::WideBlocks::kScratch, kernels::attention_scratch(t.head_dim),
                kernels::attention_scratch(v.head_dim)});
  estimate.workspace =
      std::size_t(detail::workspace_floats(config, patches, prompt, plan.questions * 2 * kBlockSize) +
                  threads * scratch) *
          sizeof(float) +
      detail::quantized_rows(config, patches, prompt);

  // Its decoder has the pixels twice more; the heap may keep what it held.
  estimate.image =
      3 * std::size_t(3 * plan.width * plan.height) + std::size_t(rows * t.hidden_size) * sizeof(float);

  if (plan.card) {
#if defined(LA_WITH_CUDA)
    estimate.device = estimate_card_memory(checkpoint, config, plan);
#else
    fail("device cuda: expected a build with CUDA kernels, which needs clang; this one has none");
#endif
    const PixelSize whole{plan.width, plan.height};
    const auto sizes = cuda::pass_sizes(whole, resize_steps(whole, read, size));
    detail::move_to_card(config, plan.questions * 2 * kBlockSize,
                         cuda::worth_on_card(sizes) ? cuda::image_memory(sizes).tables
                                                    : std::size_t(patch_values) * sizeof(float),
                         largest, estimate);
    estimate.image -= estimate.device.image;
  }

  // Measured: 8 MB of code, libraries and heap, and 200 bytes a token for texts, merges and the files they come from.
  estimate.program = (std::size_t{8} << 20) + 200 * std::size_t(t.vocab_size);
  return estimate;
}

}  // namespace la::inline LA_ABI
