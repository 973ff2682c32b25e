#include "session.hpp"

#include <chrono>
#include <filesystem>

#include "../core/error.hpp"
#include "../image/resize.hpp"
#include "../io/checkpoint.hpp"
#include "../io/hub.hpp"
#include "language.hpp"
#include "vision.hpp"

namespace la {
namespace detail {

class Stopwatch {
 public:
  /// Seconds since the last call, or since construction.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

inline std::unique_ptr<Ops> make_ops(const SessionOptions& options) {
  const auto cpu = [&] { return make_cpu_ops({options.threads, options.isa, options.activations}); };
  switch (options.backend) {
    case Backend::reference: return make_reference_ops(options.threads, options.activations);
    case Backend::check: return make_check_ops(cpu(), make_reference_ops(options.threads, options.activations));
    case Backend::cpu: break;
  }
  return cpu();
}

inline std::string session_directory(const std::string& directory_or_id) {
  if (std::filesystem::is_directory(directory_or_id)) return directory_or_id;
  const HubSnapshot snapshot = find_hub_snapshot(directory_or_id);
  if (!snapshot.directory) fail(directory_or_id, ": expected a directory or a cached model id; ", snapshot.explanation);
  return *snapshot.directory;
}

}  // namespace detail

/// The members refer to each other, so they live at one address while sessions move.
struct Session::Parts {
  Parts(const std::string& directory, const SessionOptions& options)
      : config(ModelConfig::load(directory)),
        tokenizer(Tokenizer::load(directory)),
        ops(detail::make_ops(options)),
        weights(load(directory, options)),
        activations(options.activations),
        vision(config.vision, weights.vision, *ops),
        language(config.text, config.tokens.mask, weights.language, *ops),
        workspace(*ops) {}

  ModelWeights load(const std::string& directory, const SessionOptions& options) {
    require(tokenizer.vocabulary_size() <= config.text.vocab_size, directory, ": expected token ids below vocab_size ",
            config.text.vocab_size, ", found a tokenizer with ", tokenizer.vocabulary_size(), " tokens");
    const Checkpoint checkpoint = Checkpoint::open(directory);
    check_weights(checkpoint, config);  // everything, before minutes go into packing
    return load_weights(checkpoint, config, *ops, options.weights, options.progress);
  }

  ModelConfig config;
  Tokenizer tokenizer;
  std::unique_ptr<Ops> ops;
  ModelWeights weights;
  Activations activations;
  VisionModel vision;
  LanguageModel language;
  Workspace workspace;
};

LA_INLINE Session::Session(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
LA_INLINE Session::Session(Session&&) noexcept = default;
LA_INLINE Session& Session::operator=(Session&&) noexcept = default;
LA_INLINE Session::~Session() = default;

LA_INLINE Session Session::open(const std::string& directory_or_id, const SessionOptions& options) {
  return Session(std::make_unique<Parts>(detail::session_directory(directory_or_id), options));
}

LA_INLINE EncodedImage Session::encode(const Image& image, i64 max_side) {
  Parts& p = *parts_;
  detail::Stopwatch watch;
  EncodedImage encoded;
  encoded.width = image.width;
  encoded.height = image.height;
  const Patches patches =
      preprocess(max_side > 0 ? limit_side(image, max_side) : image, p.config.processor);
  encoded.grid_h = patches.grid_h;
  encoded.grid_w = patches.grid_w;
  encoded.preprocess_seconds = watch.lap();

  const i64 merge = p.config.vision.merge * p.config.vision.merge;
  const i64 rows = patches.grid_h * patches.grid_w / merge, channels = p.config.text.hidden_size;
  const Workspace::Scope scope(p.workspace);
  const Matrix merged = p.workspace.matrix(rows, merge * p.config.vision.hidden_size);
  p.vision.encode(patches, p.workspace, merged);
  encoded.memory = p.ops->allocate(std::size_t(rows * channels) * sizeof(float));
  const Matrix projected(reinterpret_cast<float*>(encoded.memory.get()), {rows, channels});
  project(p.weights.projector, merged, *p.ops, p.workspace, projected);
  encoded.rows = projected;
  encoded.vision_seconds = watch.lap();
  return encoded;
}

LA_INLINE Result Session::ground(const EncodedImage& image, std::string_view phrase, const AskOptions& options) {
  return ask(image, question(Task::ground_single, phrase), options);
}

LA_INLINE Result Session::detect(const EncodedImage& image, std::string_view categories, const AskOptions& options) {
  return ask(image, question(Task::detect, detect_categories(categories)), options);
}

LA_INLINE Result Session::point(const EncodedImage& image, std::string_view phrase, const AskOptions& options) {
  return ask(image, question(Task::point, phrase), options);
}

LA_INLINE Result Session::ask(std::span<const EncodedImage> images, const PromptText& question,
                              const AskOptions& options) {
  Parts& p = *parts_;
  if (images.empty()) fail_usage("ask: expected at least one picture");
  std::vector<i64> row_counts;
  for (const EncodedImage& image : images) row_counts.push_back(image.rows.shape[0]);
  Prompt prompt = build_prompt(p.tokenizer, p.config.tokens, question, row_counts, options.prompt_style);
  std::vector<ImageRows> rows;
  for (const ImageSpan& span : prompt.images) rows.push_back({images[std::size_t(span.image)].rows, span.first});

  Result result;
  result.query = question.text();
  result.prompt_tokens = i64(prompt.ids.size());
  Generation generation(p.config.tokens, options.generation, std::move(prompt.ids), p.tokenizer.model_max_length());
  const auto decode_label = [&](std::span<const std::int32_t> ids) { return p.tokenizer.decode(ids); };
  AnswerParser parser(p.config.tokens, decode_label, int(images[0].width), int(images[0].height));
  const std::unique_ptr<KvCache> cache = p.language.make_cache();
  const i64 vocabulary = p.config.text.vocab_size;
  std::vector<float> host;
  std::size_t parsed = 0, first_pass_tokens = 0;
  detail::Stopwatch watch;
  while (!generation.finished()) {
    const Feed feed{cache.get(), generation.sequence(), rows, generation.next_step() == Generation::Step::block};
    const Workspace::Scope scope(p.workspace);
    const Matrix logits = p.workspace.matrix(LanguageModel::logit_rows(feed), vocabulary);
    p.language.forward(std::span(&feed, 1), p.workspace, logits);
    host.resize(std::size_t(logits.size()));
    const bool plain = options.generation.sampling.leaves_logits();
    if (plain) p.ops->softmax(logits);
    p.ops->download(logits.data, host.data(), host.size() * sizeof(float));
    if (plain)
      generation.accept_probabilities(Matrix(host.data(), logits.shape));
    else
      generation.accept(Matrix(host.data(), logits.shape), p.ops->threads());

    for (; parsed < generation.output().size(); ++parsed) {
      const auto item = parser.feed(generation.output()[parsed], generation.probabilities()[parsed]);
      if (!item) continue;
      result.items.push_back(*item);
      if (options.on_item) options.on_item(*item);
    }
    if (generation.forward_steps() == 1) {
      result.prefill_seconds = watch.lap();
      first_pass_tokens = generation.output().size();
    } else {
      result.decode_seconds += watch.lap();
    }
  }
  parser.finish();
  result.warnings = parser.warnings();
  result.token_ids.assign(generation.output().begin(), generation.output().end());
  result.answer = p.tokenizer.decode(result.token_ids);
  result.stop = generation.stop_reason();
  result.forward_steps = generation.forward_steps();
  result.switches_to_ar = generation.switches_to_ar();
  if (result.decode_seconds > 0)
    result.tokens_per_second = double(result.token_ids.size() - first_pass_tokens) / result.decode_seconds;
  return result;
}

LA_INLINE const ModelConfig& Session::config() const noexcept { return parts_->config; }
LA_INLINE const Tokenizer& Session::tokenizer() const noexcept { return parts_->tokenizer; }
LA_INLINE Ops& Session::ops() noexcept { return *parts_->ops; }
LA_INLINE std::string_view Session::weight_format() const noexcept { return parts_->weights.language.layers[0].qkv->format(); }
LA_INLINE std::string_view Session::activation_format() const noexcept {
  const std::string_view weights = weight_format();
  return (weights == "q8" || weights == "q4") && parts_->activations != Activations::f32 ? "q8" : "f32";
}
LA_INLINE std::size_t Session::weight_bytes() const noexcept { return parts_->weights.bytes; }
LA_INLINE const std::vector<std::string>& Session::warnings() const noexcept { return parts_->weights.warnings; }

}  // namespace la
