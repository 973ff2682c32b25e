#include "engine.hpp"

#include <utility>

#include "../../kernels/dispatch.hpp"
#include "../core/error.hpp"
#include "../image/patches.hpp"
#include "../image/resize.hpp"
#include "../io/checkpoint.hpp"
#include "../ops/cuda/driver.hpp"
#include "../ops/ops_cpu.hpp"
#if defined(LA_WITH_CUDA)
#include "../ops/cuda/card.hpp"
#include "../ops/ops_cuda.hpp"
#endif
#include "../core/stopwatch.hpp"
#include "device.hpp"
#include "memory.hpp"

// The backends that check the others are in the library; a header-only program asks for them.
#if defined(LA_COMPILED) || defined(LA_WITH_CHECK)
#include "../ops/ops_check.hpp"
#include "../ops/ops_reference.hpp"
#endif

namespace la::inline LA_ABI {
namespace detail {

/// The driver of the card to run on; null: none.
/// error: a card was asked for and cannot be had
inline std::shared_ptr<cuda::Driver> choose_card(const SessionOptions& options,
                                                 const CheckpointFiles& source) {
  const Device device = parse_device("device", options.device);
  const bool requested = device.kind == Device::Kind::cuda;
  if (device.kind == Device::Kind::cpu || options.backend == Backend::reference) return nullptr;
#if defined(LA_WITH_CUDA)
  if (requested) return cuda::open_card(device.card);
  if (options.activations == ActivationFormat::q8 || !options.isa.empty()) return nullptr;
  try {
    MemoryPlan plan;
    plan.weights = options.weights;
    plan.width = plan.height = 1024;
    const std::size_t needed =
        estimate_memory(Checkpoint::open(source), ModelConfig::load(source), plan).total();
    auto card = cuda::open_card(0);
    if (card->free_bytes() >= needed) return card;
  } catch (const Error&) {  // no driver, no card, or one that is too old: the processor runs everything
  }
#else
  static_cast<void>(source);
  if (requested)
    fail("device ", options.device,
         ": expected a build with CUDA kernels, which needs clang; this one has none");
#endif
  return nullptr;
}

/// The fast ops of the device.
inline std::unique_ptr<Ops> make_device_ops(const SessionOptions& options, const CheckpointFiles& source,
                                            const std::shared_ptr<Team>& team) {
  const std::shared_ptr<cuda::Driver> card = choose_card(options, source);
#if defined(LA_WITH_CUDA)
  if (card) return make_cuda_ops({card, options.activations, team});
#endif
  return make_cpu_ops({0, options.isa, options.activations, team});
}

inline std::unique_ptr<Ops> make_ops(const SessionOptions& options, const CheckpointFiles& source,
                                     const std::shared_ptr<Team>& team) {
  if (options.backend == Backend::cpu) return make_device_ops(options, source, team);
#if defined(LA_COMPILED) || defined(LA_WITH_CHECK)
  if (options.backend == Backend::check) {
    auto subject = make_device_ops(options, source, team);
    // A card multiplies activations of 16 bits, the reference those of 32.
    const bool card = subject->name().starts_with("cuda");
    auto oracle = make_reference_ops(0, card ? ActivationFormat::f32 : options.activations, team);
    const double tolerance = card && options.activations != ActivationFormat::f32 ? 1e-2 : 1e-4;
    return make_check_ops(std::move(subject), std::move(oracle), tolerance);
  }
  auto reference = make_reference_ops(0, options.activations, team);
  return reference;
#else
  fail_usage("backend: expected cpu; the others need the library, or LA_WITH_CHECK defined before la.hpp");
#endif
}

}  // namespace detail

LA_INLINE void check_vocabulary(const Tokenizer& tokenizer, const ModelConfig& config) {
  require(tokenizer.vocabulary_size() <= config.text.vocab_size, config.directory,
          ": expected token ids below vocab_size ", config.text.vocab_size, ", found a tokenizer with ",
          tokenizer.vocabulary_size(), " tokens");
}

LA_INLINE Engine::Engine(const CheckpointFiles& source, const SessionOptions& options)
    : config(ModelConfig::load(source)),
      tokenizer(Tokenizer::load(source)),
      team(options.team ? options.team : std::make_shared<Team>(options.threads)),
      ops(options.wrap_ops ? options.wrap_ops(detail::make_ops(options, source, team))
                           : detail::make_ops(options, source, team)),
      weights(load(source, options)),
      activations(options.activations),
      kv_budget(options.kv_budget_bytes),
      vision(config.vision, weights.vision, *ops),
      language(config.text, config.tokens.mask, weights.language, *ops),
      workspace(*ops),
      images(options.image_cache_bytes),
      prefixes(options.kept_prefixes) {}

LA_INLINE ModelWeights Engine::load(const CheckpointFiles& source, const SessionOptions& options) const {
  check_vocabulary(tokenizer, config);
  const Checkpoint checkpoint = Checkpoint::open(source);
  check_weights(checkpoint, config);  // everything, before minutes go into packing
  ModelWeights loaded = load_weights(checkpoint, config, *ops, options.weights, options.progress);
  if (std::string note = kernels::scalar_only_warning(); !note.empty())
    loaded.warnings.push_back(std::move(note));
  return loaded;
}

LA_INLINE EncodedImage Engine::encode(const ImageView& image, i64 max_side, bool shared) {
  require_pixels(image, "picture");
  const ImageKey key = shared ? key_of(image, max_side) : ImageKey{};
  const std::lock_guard lock(mutex);
  if (shared) {
    if (auto found = images.find(key)) {
      ++statistics.vision_hits;
      found->preprocess_seconds = found->vision_seconds = 0;
      return *found;
    }
  }
  const EncodedImage encoded = run_vision(image, max_side);
  ++statistics.vision_runs;
  if (shared) images.keep(key, encoded);
  return encoded;
}

LA_INLINE EncodedImage Engine::run_vision(const ImageView& image, i64 max_side) {
  Stopwatch watch;
  EncodedImage encoded;
  encoded.width = image.width;
  encoded.height = image.height;
  const PixelSize size =
      max_side > 0 ? limited_size(image.width, image.height, max_side) : PixelSize{image.width, image.height};
  Image limited;
  Patches patches = preprocess(resize_if_needed(image, size.width, size.height, team.get(), limited),
                               config.processor, team.get());
  limited = Image();
  encoded.grid_h = patches.grid_h;
  encoded.grid_w = patches.grid_w;
  encoded.preprocess_seconds = watch.lap();

  const i64 count = patches.grid_h * patches.grid_w, channels = config.text.hidden_size;
  const i64 rows = count / (config.vision.merge * config.vision.merge);
  weights.require_whole();
  const Workspace::Scope scope(workspace);
  const Matrix features = workspace.matrix(count, config.vision.hidden_size);
  vision.encode(std::move(patches), workspace, features);
  encoded.memory = ops->allocate(std::size_t(rows * channels) * sizeof(float));
  const Matrix projected(reinterpret_cast<float*>(encoded.memory.get()), {rows, channels});
  project(weights.projector, features, encoded.grid_w, *ops, workspace, projected);
  weights.require_whole();
  encoded.rows = projected;
  encoded.vision_seconds = watch.lap();
  return encoded;
}

LA_INLINE Statistics Engine::totals() {
  const std::lock_guard lock(mutex);
  Statistics all = statistics;
  all.kv_bytes = kv_budget.used();
  all.peak_kv_bytes = kv_budget.peak();
  return all;
}

}  // namespace la::inline LA_ABI
