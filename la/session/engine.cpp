#include "engine.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "../../kernels/dispatch.hpp"
#include "../core/error.hpp"
#include "../image/patches.hpp"
#include "../image/resize.hpp"
#include "../io/checkpoint.hpp"
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

inline PixelSize size_in_limit(i64 width, i64 height, i64 max_side) {
  return max_side > 0 ? limited_size(width, height, max_side) : PixelSize{width, height};
}

template <class... Parts>
void log(const SessionOptions& options, const Parts&... parts) {
  if (options.log) options.log(concat(parts...));
}

}  // namespace detail

LA_INLINE std::shared_ptr<cuda::Driver> choose_card(const SessionOptions& options,
                                                    const CheckpointFiles& source) {
  const Device device = parse_device("device", options.device);
  const bool requested = device.kind == Device::Kind::cuda;
  if (device.kind == Device::Kind::cpu || options.backend == Backend::reference) return nullptr;
#if defined(LA_WITH_CUDA)
  if (requested) return cuda::open_card(device.card);
  if (options.activations == ActivationFormat::q8 || !options.isa.empty()) return nullptr;
  try {
    const int cards = cuda::card_count();
    MemoryPlan plan;
    plan.weights = options.weights;
    plan.width = plan.height = 1024;
    plan.card = true;
    plan.activations = options.activations;
    const std::size_t needed =
        estimate_memory(Checkpoint::open(source), ModelConfig::load(source), plan).device.total();
    for (int i = 0; i < cards; ++i) try {
        auto card = cuda::open_card(i);
        const std::size_t free = card->free_bytes();
        if (free >= needed) return card;
        detail::log(options, "device: card ", i, " has ", free, " bytes free, the model takes ", needed);
      } catch (const Error& error) {  // one that is too old, say
        detail::log(options, "device: ", error.what());
      }
    detail::log(options, "device: the processor");
  } catch (const Error& error) {  // no driver
    detail::log(options, "device: the processor: ", error.what());
  }
#else
  static_cast<void>(source);
  if (requested)
    fail("device ", options.device,
         ": expected a build with CUDA kernels, which needs clang; this one has none");
#endif
  return nullptr;
}

namespace detail {

/// Keys and values of all rows together. On a card at most three quarters of what is free once the weights are there: the
/// rest is for intermediate results and encoded pictures. Rows then wait, where else memory would run out under them.
inline std::size_t kv_limit(std::size_t requested, Ops& ops) {
  const std::size_t free = ops.free_bytes();
  if (free == std::numeric_limits<std::size_t>::max()) return requested;
  const std::size_t most = std::max<std::size_t>(free / 4 * 3, 1);  // 0 would be no limit
  return requested > 0 ? std::min(requested, most) : most;
}

/// The fast ops of the device.
inline std::unique_ptr<Ops> make_device_ops(const SessionOptions& options, const CheckpointFiles& source,
                                            const std::shared_ptr<Team>& team) {
  const std::shared_ptr<cuda::Driver> card = choose_card(options, source);
#if defined(LA_WITH_CUDA)
  if (card) return make_cuda_ops({card, options.activations, team});
#endif
  return make_cpu_ops({0, options.isa, options.activations, team, options.memory});
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
      kv_budget(detail::kv_limit(options.kv_budget_bytes, *ops)),
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
  detail::log(options, "model: ", config.directory, ": ", loaded.language.layers[0].qkv->format(),
              " weights of ", loaded.bytes, " bytes on ", ops->name(), ", ", ops->threads(),
              ops->threads() == 1 ? " thread" : " threads");
  for (const std::string& warning : loaded.warnings) detail::log(options, "warning: ", warning);
  return loaded;
}

LA_INLINE i64 Engine::encoded_rows(i64 width, i64 height, i64 max_side) const {
  const PixelSize size = detail::size_in_limit(width, height, max_side);
  const SizePlan plan = plan_size(size.width, size.height, config.processor);
  return plan.grid_h * plan.grid_w / (config.vision.merge * config.vision.merge);
}

LA_INLINE EncodedImage Engine::encode(const ImageView& image, i64 max_side, bool shared,
                                      const Interrupt& interrupt) {
  require_pixels(image, "picture");
  const i64 rows = encoded_rows(image.width, image.height, max_side);
  if (rows >= tokenizer.model_max_length())
    fail_usage("picture of ", image.width, "x", image.height, " pixels: its ", rows,
               " tokens leave no room for text, model_max_length is ", tokenizer.model_max_length());
  const ImageKey key = shared ? key_of(image, max_side) : ImageKey{};
  const auto known = [&](std::optional<EncodedImage> found) {
    if (!found) return found;
    count([](Statistics& s) { ++s.vision_hits; });
    found->preprocess_seconds = found->vision_seconds = 0;
    return found;
  };
  if (shared)
    if (const auto found = known(images.find_at_once(key))) return *found;
  mutex.lock(interrupt);
  const std::lock_guard lock(mutex, std::adopt_lock);
  if (shared)
    if (const auto found = known(images.find(key))) return *found;
  const EncodedImage encoded = run_vision(image, max_side, interrupt);
  count([](Statistics& s) { ++s.vision_runs; });
  if (shared) images.keep(key, encoded);
  return encoded;
}

LA_INLINE EncodedImage Engine::run_vision(const ImageView& image, i64 max_side, const Interrupt& interrupt) {
  Stopwatch watch;
  EncodedImage encoded;
  encoded.width = image.width;
  encoded.height = image.height;
  const PixelSize size = detail::size_in_limit(image.width, image.height, max_side);
  std::unique_ptr<ImagePatches> patches = ops->make_patches(image, size, config.processor, team.get());
  encoded.grid_h = patches->grid_h();
  encoded.grid_w = patches->grid_w();
  encoded.preprocess_seconds = watch.lap();

  const i64 count = encoded.grid_h * encoded.grid_w, channels = config.text.hidden_size;
  const i64 rows = count / (config.vision.merge * config.vision.merge);
  weights.require_whole();
  const Workspace::Scope scope(workspace);
  const Matrix features = workspace.matrix(count, config.vision.hidden_size);
  vision.encode(std::move(patches), workspace, features, interrupt);
  encoded.memory = ops->allocate(std::size_t(rows * channels) * sizeof(float));
  const Matrix projected(reinterpret_cast<float*>(encoded.memory.get()), {rows, channels});
  project(weights.projector, features, encoded.grid_w, *ops, workspace, projected, kVisionChunk, interrupt);
  weights.require_whole();
  encoded.rows = projected;
  encoded.vision_seconds = watch.lap();
  return encoded;
}

LA_INLINE Statistics Engine::totals() {
  Statistics all;
  count([&](const Statistics& s) { all = s; });
  all.kv_bytes = kv_budget.used();
  all.peak_kv_bytes = kv_budget.peak();
  return all;
}

}  // namespace la::inline LA_ABI
