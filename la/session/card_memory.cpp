#include "card_memory.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "../decoding/row_summary.hpp"
#include "../image/patches.hpp"
#include "../model/language.hpp"
#include "../model/model_weights.hpp"
#include "../model/vision.hpp"
#include "../ops/cuda/device_patches.hpp"
#include "../ops/cuda/device_weight.hpp"
#include "../ops/forwarding_ops.hpp"
#include "../ops/ops_cuda.hpp"
#include "../weights/choose_format.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// A card that has memory without end, of which nobody writes a byte. Launches wait as on one that is opened,
/// since lists that they read then take more places.
class RehearsalDriver final : public cuda::Driver {
 public:
  std::string_view name() const noexcept override { return "rehearsal"; }
  std::size_t free_bytes() override { return std::numeric_limits<std::size_t>::max(); }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    used_->now += bytes;
    used_->peak = std::max(used_->peak, used_->now);
    const std::uintptr_t at = next_;
    next_ += round_up(bytes, kAlignment);
    return {reinterpret_cast<std::byte*>(at), [used = used_, bytes](std::byte*) { used->now -= bytes; }};
  }
  void upload(const void*, void*, std::size_t) override { count_.sent = count_.made; }
  void upload_ahead(const void*, void*, std::size_t) override {}
  void download(const void*, void*, std::size_t) override { count_.sent = count_.made; }
  void copy(const void*, void*, std::size_t) override { count_.sent = count_.made; }
  void clear(void*, std::size_t) override { count_.sent = count_.made; }
  void launch(const cuda::Launch&, const void*, std::size_t) override { ++count_.made; }
  cuda::LaunchCount launches() const noexcept override { return count_; }

  std::size_t used() const noexcept { return used_->now; }
  std::size_t peak() const noexcept { return used_->peak; }

 private:
  struct Used {
    std::size_t now = 0, peak = 0;
  };
  std::shared_ptr<Used> used_ = std::make_shared<Used>();
  cuda::LaunchCount count_{0, 0};
  std::uintptr_t next_ = kAlignment;
};

/// The ops of a card whose weights are not read: they only take their memory.
class RehearsalOps final : public ForwardingOps {
 public:
  RehearsalOps(std::shared_ptr<RehearsalDriver> driver, ActivationFormat activations)
      : ForwardingOps(make_cuda_ops({driver, activations, std::make_shared<Team>(1)})),
        driver_(std::move(driver)) {}

  std::unique_ptr<Weight> make_weight(std::span<const WeightPart> parts, WeightFormat format) override {
    const StackShape shape(parts);
    const PanelFormat chosen = choose_format(parts, format);
    auto weight = std::make_unique<cuda::DeviceWeight>(*driver_, chosen, shape.outputs, shape.inputs,
                                                       parts[0].precision);
    static_cast<void>(
        driver_->allocate(cuda::DeviceWeight::staged_bytes(chosen, shape.outputs, shape.inputs)));
    if (shape.biased) biases_.push_back(driver_->allocate(std::size_t(shape.outputs) * sizeof(float)));
    return weight;
  }

  // As the card does them, whose lists and partial sums depend on it.
  void project(ConstMatrix x, const Norm& n, Matrix h, std::span<const Projection> projections) override {
    inner().project(x, n, h, projections);
  }
  void project_heads(ConstMatrix x, const Norm& n, const Weight& w, const RopeAngles& angles,
                     std::span<const KvTokens> rows, i64 layer, Matrix h, Matrix qkv) override {
    inner().project_heads(x, n, w, angles, rows, layer, h, qkv);
  }
  void feed_forward(ConstMatrix x, const FeedForward& f, Matrix h, Matrix wide_in, Matrix wide, Matrix y,
                    Store store) override {
    inner().feed_forward(x, f, h, wide_in, wide, y, store);
  }
  void mix(ConstMatrix a, const Weight& o, const FeedForward& f, Matrix h, Matrix wide_in, Matrix wide,
           Matrix x) override {
    inner().mix(a, o, f, h, wide_in, wide, x);
  }
  void self_attention(KvCache& cache, i64 layer, Cube q, Cube k, ConstCube v, ConstMatrix cos,
                      ConstMatrix sin, Rope layout, float scale) override {
    inner().self_attention(cache, layer, q, k, v, cos, sin, layout, scale);
  }

 private:
  std::shared_ptr<RehearsalDriver> driver_;
  std::vector<std::shared_ptr<std::byte>> biases_;
};

/// A picture of which only the size is known.
class RehearsalPatches final : public ImagePatches {
 public:
  RehearsalPatches(cuda::Driver& driver, const std::vector<PixelSize>& sizes, const SizePlan& plan)
      : ImagePatches(plan.grid_h, plan.grid_w) {
    if (!cuda::worth_on_card(sizes)) return;  // the host has it
    const cuda::ImageMemory memory = cuda::image_memory(sizes);
    for (const std::size_t bytes : {memory.pixels[0], memory.pixels[1], memory.tables})
      memory_.push_back(driver.allocate(bytes));
  }
  void read(i64, Matrix) const override {}

 private:
  std::vector<std::shared_ptr<std::byte>> memory_;
};

/// A model on a card that is none.
class Rehearsal {
 public:
  Rehearsal(const Checkpoint& checkpoint, const ModelConfig& config, const MemoryPlan& plan)
      : config_(config),
        plan_(plan),
        driver_(std::make_shared<RehearsalDriver>()),
        ops_(driver_,
             plan.activations == ActivationFormat::f32 ? ActivationFormat::f32 : ActivationFormat::auto_),
        weights_(load_weights(checkpoint, config, ops_, plan.weights)),
        workspace_(ops_) {}

  DeviceMemoryEstimate run() {
    DeviceMemoryEstimate estimate;
    estimate.weights = driver_->used();
    estimate.loading = driver_->peak();
    const EncodedRows image = encode();
    estimate.image = image.bytes;
    estimate.encoding = driver_->peak() - estimate.weights;
    const std::size_t before = driver_->peak();
    estimate.kv_cache = answer(image);
    // Nothing but weights, rows of the picture and intermediate results is there now.
    estimate.workspace = driver_->used() - estimate.weights - estimate.image;
    estimate.peak = std::max(before, driver_->peak());
    return estimate;
  }

 private:
  struct EncodedRows {
    std::shared_ptr<std::byte> memory;
    std::size_t bytes = 0;
    ConstMatrix rows;
  };

  /// As Engine encodes a picture.
  EncodedRows encode() {
    const PixelSize whole{plan_.width, plan_.height};
    const PixelSize shrunk =
        plan_.max_side > 0 ? limited_size(plan_.width, plan_.height, plan_.max_side) : whole;
    const SizePlan size = plan_size(shrunk.width, shrunk.height, config_.processor);
    auto patches = std::make_unique<RehearsalPatches>(
        *driver_, cuda::pass_sizes(whole, resize_steps(whole, shrunk, size)), size);
    const i64 count = size.grid_h * size.grid_w, channels = config_.text.hidden_size;
    const i64 rows = count / (config_.vision.merge * config_.vision.merge);
    const Workspace::Scope scope(workspace_);
    const Matrix features = workspace_.matrix(count, config_.vision.hidden_size);
    VisionModel(config_.vision, weights_.vision, ops_).encode(std::move(patches), workspace_, features);
    EncodedRows encoded;
    encoded.bytes = std::size_t(rows * channels) * sizeof(float);
    encoded.memory = ops_.allocate(encoded.bytes);
    const Matrix projected(reinterpret_cast<float*>(encoded.memory.get()), {rows, channels});
    project(weights_.projector, features, size.grid_w, ops_, workspace_, projected);
    encoded.rows = projected;
    return encoded;
  }

  /// As Scheduler runs questions on it, each to its longest answer; the bytes of their keys and values.
  std::size_t answer(const EncodedRows& image) {
    LanguageModel language(config_.text, config_.tokens.mask, weights_.language, ops_);
    const i64 rows = image.rows.shape[0], prompt = rows + plan_.question_tokens,
              questions = std::max<i64>(plan_.questions, 1);
    const std::vector<std::int32_t> ids(std::size_t(prompt + plan_.max_new_tokens));
    const std::vector<ImageRows> images{{image.rows, 0}};

    std::vector<std::unique_ptr<KvCache>> caches, kept;
    if (questions > 1) {
      kept.push_back(language.make_cache());
      const SequenceInput common{kept[0].get(), std::span(ids).first(std::size_t(prompt)), images, false, 0};
      language.prefill(common, rows, workspace_);
    }
    // Prompts go with all that are decoding, as many at once as make a chunk.
    std::vector<SequenceInput> inputs;
    while (i64(caches.size()) < questions) {
      for (SequenceInput& input : inputs) input = step(*input.cache, ids, prompt, images);
      i64 tokens = 0;
      do {
        caches.push_back(questions > 1 ? kept[0]->fork(rows) : language.make_cache());
        tokens += prompt - caches.back()->length();
        inputs.push_back({caches.back().get(), std::span(ids).first(std::size_t(prompt)), images, true, 0});
      } while (i64(caches.size()) < questions && tokens + plan_.question_tokens <= kPrefillChunk);
      pass(language, inputs);
      if (questions == 1) kept.push_back(caches[0]->fork(prompt));  // for the next question on the picture
    }
    for (const auto& cache : caches) cache->extend(plan_.max_new_tokens);
    // Fewer rows may share their keys among more blocks.
    for (i64 n = questions;; n /= 2) {
      std::vector<SequenceInput> some;
      for (i64 i = 0; i < n; ++i)
        some.push_back(step(*caches[std::size_t(i)], ids, prompt + plan_.max_new_tokens, images));
      pass(language, some);
      if (plan_.max_new_tokens > kBlockSize)  // see Generation::next_follows_block
        pass_ahead(language, std::span(caches).first(std::size_t(n)), kBlockSize + 1);
      if (n <= 1) break;
    }
    const std::size_t after = driver_->used();
    caches.clear();
    kept.clear();
    return after - driver_->used();
  }

  /// The largest pass of a row that decodes: a draft's tokens and a block.
  static SequenceInput step(KvCache& cache, std::span<const std::int32_t> ids, i64 length,
                            std::span<const ImageRows> images) {
    cache.truncate(length - kBlockSize);
    return {&cache, ids.first(std::size_t(length)), images, true, kBlockSize};
  }

  void pass(LanguageModel& language, std::span<const SequenceInput> inputs) {
    i64 rows = 0;
    for (const SequenceInput& input : inputs) rows += LanguageModel::logit_rows(input);
    const i64 vocabulary = config_.text.vocab_size;
    const Workspace::Scope scope(workspace_);
    const Matrix logits = workspace_.matrix(rows, vocabulary);
    language.forward(inputs, workspace_, logits);
    const std::vector<std::int32_t> ids = summary_ids(config_.tokens, vocabulary);
    ops_.summarize(logits, ids, workspace_.matrix(rows, summary_floats(i64(ids.size()))));
  }

  /// What Scheduler asks for behind a pass of blocks before it is read, so many tokens before the last one.
  void pass_ahead(LanguageModel& language, std::span<const std::unique_ptr<KvCache>> caches,
                  i64 before_last) {
    const i64 rows = kBlockSize * i64(caches.size()), vocabulary = config_.text.vocab_size;
    const std::vector<std::int32_t> ids = summary_ids(config_.tokens, vocabulary);
    const i64 width = summary_floats(i64(ids.size()));
    if (!lasting_) lasting_ = ops_.allocate(std::size_t(rows * width) * sizeof(float));
    const Matrix summaries(reinterpret_cast<float*>(lasting_.get()), {rows, width});
    std::vector<NextInput> blocks;
    for (const auto& cache : caches) {
      cache->truncate(cache->length() - before_last);
      blocks.push_back({cache.get(), std::int32_t(kBlockSize * i64(blocks.size()))});
    }
    const Workspace::Scope scope(workspace_);
    workspace_.matrix(rows, vocabulary);  // of the pass before, the first of which was not asked for ahead
    const Matrix logits = workspace_.matrix(rows, vocabulary);
    language.forward_next_blocks(blocks, summaries, config_.tokens, workspace_, logits);
    ops_.summarize(logits, ids, summaries);
    for (const auto& cache : caches) cache->extend(before_last);
  }

  const ModelConfig& config_;
  const MemoryPlan& plan_;
  const std::shared_ptr<RehearsalDriver> driver_;
  RehearsalOps ops_;
  const ModelWeights weights_;
  Workspace workspace_;
  std::shared_ptr<std::byte> lasting_;  // summaries that the next pass reads
};

}  // namespace detail

LA_INLINE DeviceMemoryEstimate estimate_card_memory(const Checkpoint& checkpoint, const ModelConfig& config,
                                                    const MemoryPlan& plan) {
  return detail::Rehearsal(checkpoint, config, plan).run();
}

}  // namespace la::inline LA_ABI
