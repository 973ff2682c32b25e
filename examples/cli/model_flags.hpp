#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "flags.hpp"
#include "la/la.hpp"
#include "la/ops/select_isa.hpp"
#include "la/session/device.hpp"

// The flags that every program with a model shares.
namespace la::cli {

/// Where the bundled checkpoint and pictures are: $LA_DATA_DIR, beside an installed program, or in the source tree.
inline std::string data_directory() {
  if (const char* requested = std::getenv("LA_DATA_DIR"); requested && *requested) return requested;
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const std::filesystem::path installed = program.parent_path().parent_path() / "share" / "la";
  return std::filesystem::is_directory(installed, ignored) ? installed.string() : LA_DATA_DIR;
}

struct ModelFlags {
  std::string model_dir, model_id, revision;
  std::string weights = "auto", activations = "auto", device, isa, backend = "cpu";
  std::string prompt_style = "processor", mode, stop = "guarded", speculate = "on";
  int threads = 0;
  i64 max_tokens = 2048, max_image_side = 0;
  float min_score = 0;
  i64 categories_per_question = kCategoriesPerQuestion;
  Tiling tile;
  Sampling sampling;
  bool no_exif = false, dry = false, check = false, warmup = false, version = false, help = false;

  /// What may differ from question to question.
  void add_answer_to(Flags& flags) {
    flags.text("--prompt-style", "NAME", "processor or chat [processor]", prompt_style);
    flags.text("--generation-mode", "NAME", "slow, fast or hybrid [hybrid; detect-text: slow]", mode);
    flags.text("--stop", "NAME", "official or guarded [guarded]", stop);
    flags.number<i64>("--max-tokens", "longest answer [2048]", max_tokens, 1, 1 << 24);
    flags.text("--speculate", "on|off",
               "slow mode checks drafts of several tokens a pass: the same tokens, sooner [on]", speculate);
    flags.number<float>("--min-score", "leave out what scores less [0]", min_score, 0, 1);
    flags.number<i64>("--categories-per-question",
                      "detect asks several questions for more, and joins the answers; 0: always one [" +
                          std::to_string(kCategoriesPerQuestion) + "]",
                      categories_per_question, 0, 1 << 20);
    flags.text("--tile", "SIDE[:OVERLAP]",
               "look at the picture whole and in squares of SIDE pixels, too, for small things [off, 0.2]",
               [this](const std::string& v) { tile = parse_tile(v); });
    flags.number<float>("--temperature", "0 is greedy [0]", sampling.temperature, 0, 100);
    flags.number<float>("--top-p", "nucleus [1]", sampling.top_p, 0, 1);
    flags.number<int>("--top-k", "0 is off [0]", sampling.top_k, 0, 1 << 30);
    flags.number<float>("--repetition-penalty", "1 is off [1]", sampling.repetition_penalty, 1e-3f, 1e3f);
    flags.number<std::uint64_t>("--seed", "of the sampling [0]", sampling.seed, 0, ~std::uint64_t{0});
    flags.number<i64>("--max-image-side", "shrink larger pictures first [none]", max_image_side, 1, 1 << 20);
    flags.on("--no-exif", "ignore what EXIF says of a picture's orientation, as the reference does", no_exif);
  }

  void add_to(Flags& flags) {
    flags.text("--model-dir", "DIR",
               "checkpoint directory [$LA_MODEL_DIR, else the cached --model-id, else bundled]", model_dir);
    flags.text("--model-id", "ORG/NAME", "looked up in the Hugging Face cache [nvidia/LocateAnything-3B]",
               model_id);
    flags.text("--revision", "NAME", "branch, tag or commit of --model-id [main]", revision);
    add_answer_to(flags);
    flags.text("--weights", "NAME",
               "auto, f32, bf16, q8 or q4: how linear weights are held [auto: as stored]", weights);
    flags.text("--activations", "NAME",
               "auto, f32 or q8: what integer weights are multiplied with [auto: q8]", activations);
    flags.text("--device", "NAME",
               "auto (a card that can take the model, else cpu), cpu, cuda or cuda:N [auto, $LA_DEVICE]",
               device);
    flags.text("--isa", "NAME", "instruction set; 'list' prints them [best, $LA_ISA]", isa);
    flags.text("--backend", "NAME", "cpu, reference (slow, exact sums) or check (both, op by op) [cpu]",
               backend);
    flags.number<int>("--threads", "[all cores, $OMP_NUM_THREADS]", threads, 1, 4096);
    flags.on("--warmup", "run once before timing", warmup);
    flags.on("--dry", "open and validate the checkpoint, print its summary, stop", dry);
    flags.on("--check", "with --dry: read every weight, too, and name those that hold infinities or NaN",
             check);
    flags.on("--version", "print the version", version);
    flags.on("--help", "print this", help);
  }

  /// error: a model id or a revision was asked for and is not in the cache; only without them the bundled checkpoint will
  /// do; (usage) a revision of what has none
  std::string directory() const {
    const bool any = model_id.empty() && revision.empty();
    const std::string bundled = any ? data_directory() + "/shapes" : "";
    std::string id = model_id.empty() ? "nvidia/LocateAnything-3B" : model_id;
    if (!revision.empty()) {
      const char* from_environment = std::getenv("LA_MODEL_DIR");
      if (!model_dir.empty())
        fail_usage("--revision: expected a model by its id, found --model-dir ", model_dir);
      if (from_environment && *from_environment)
        fail_usage("--revision: expected a model by its id, found $LA_MODEL_DIR ", from_environment);
      if (id.find('@') != id.npos)
        fail_usage("--revision: expected an id without one, found --model-id ", id);
      id += "@" + revision;
    }
    const std::string found = find_checkpoint_directory({model_dir, id, bundled});
    if (found == bundled)
      std::cerr
          << "model: the bundled checkpoint, which knows coloured shapes and letters only; see --model-dir\n";
    return found;
  }

  /// What --device or $LA_DEVICE says.
  std::string requested_device() const {
    const char* requested = std::getenv("LA_DEVICE");
    const bool from_environment = device.empty() && requested && *requested;
    const std::string where = from_environment ? requested : device.empty() ? "auto" : device;
    static_cast<void>(parse_device(from_environment ? "$LA_DEVICE" : "--device", where));
    return where;
  }

  SessionOptions session_options() const {
    SessionOptions options;
    options.device = requested_device();
    options.weights = parse_weight_format(weights);
    options.activations = parse_activation_format(activations);
    options.backend = choose<Backend>(
        "--backend", backend,
        {{"cpu", Backend::cpu}, {"reference", Backend::reference}, {"check", Backend::check}});
    if (options.backend != Backend::reference) static_cast<void>(select_isa(isa));
    options.isa = isa;
    options.threads = threads;
    return options;
  }

  AskOptions ask_options(Task task) const {
    AskOptions options;
    options.prompt_style = parse_prompt_style(prompt_style);
    options.generation.mode =
        mode.empty() ? (task == Task::detect_text ? Mode::slow : Mode::hybrid)
                     : choose<Mode>("--generation-mode", mode,
                                    {{"slow", Mode::slow}, {"fast", Mode::fast}, {"hybrid", Mode::hybrid}});
    options.generation.stop = choose<StopPolicy>(
        "--stop", stop, {{"official", StopPolicy::official}, {"guarded", StopPolicy::guarded}});
    options.generation.max_new_tokens = max_tokens;
    options.generation.sampling = sampling;
    options.generation.speculate = choose<bool>("--speculate", speculate, {{"on", true}, {"off", false}});
    options.min_score = min_score;
    options.tile = tile;
    options.categories_per_question = categories_per_question;
    return options;
  }

  LoadOptions load_options() const {
    LoadOptions options;
    if (no_exif) options.exif = ExifOrientation::ignore;
    return options;
  }

  static Tiling parse_tile(const std::string& text) {
    Tiling tiling;
    const std::size_t colon = text.find(':');
    tiling.side = Flags::parse_number<i64>("--tile", text.substr(0, colon), 16, 1 << 20);
    if (colon != text.npos)
      tiling.overlap = Flags::parse_number<double>("--tile", text.substr(colon + 1), 0, 0.9);
    return tiling;
  }

  template <class Value>
  static Value choose(const char* flag, const std::string& text,
                      std::initializer_list<std::pair<const char*, Value>> choices) {
    std::string names;
    for (const auto& [name, value] : choices) {
      if (text == name) return value;
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    fail_usage(flag, ": expected one of ", names, ", found '", text, "'");
  }
};

/// Says which card auto has chosen; the processor goes without saying.
inline void print_device(const ModelFlags& flags, Session& session, std::ostream& err) {
  const std::string name(session.ops().name());
  if (name.find("cuda ") != std::string::npos && flags.requested_device() == "auto")
    err << "device: " << name << "\n";
}

inline const char* name_of(Mode mode) {
  return mode == Mode::slow ? "slow" : mode == Mode::fast ? "fast" : "hybrid";
}
inline const char* name_of(StopReason stop) {
  switch (stop) {
    case StopReason::eos:
      return "eos";
    case StopReason::loop:
      return "loop";
    case StopReason::cancelled:
      return "cancelled";
    case StopReason::max_tokens:
      break;
  }
  return "max_tokens";
}

/// Each instruction set of this build: whether this CPU runs it, and the kernels it overrides.
inline void print_isas(std::ostream& out) {
  for (const kernels::Isa& isa : kernels::built_in_isas()) {
    out << isa.name << " (" << isa.needs << "): " << (isa.supported() ? "runs here" : "not on this CPU")
        << "\n";
    const std::vector<std::string_view> overridden = kernels::overridden_kernels(isa);
    if (overridden.empty()) out << "  the reference of every kernel\n";
    for (std::string_view kernel : overridden) out << "  " << kernel << "\n";
  }
}

/// What --dry tells of a checkpoint, after checking every tensor's name, shape and type.
inline void print_summary(const std::string& directory, std::ostream& out) {
  const ModelConfig config = ModelConfig::load(directory);
  const Tokenizer tokenizer = Tokenizer::load(directory);
  const Checkpoint checkpoint = Checkpoint::open(directory);
  check_vocabulary(tokenizer, config);
  check_weights(checkpoint, config);
  const TextConfig& t = config.text;
  const VisionConfig& v = config.vision;
  out << "checkpoint  " << directory << "\n"
      << "weights     " << checkpoint.tensor_count() << " tensors, " << checkpoint.tensor_bytes()
      << " bytes in " << checkpoint.files().size()
      << (checkpoint.files().size() == 1 ? " file\n" : " files\n") << "decoder     " << t.layers
      << " layers, " << t.hidden_size << " channels, " << t.heads << " heads and " << t.kv_heads
      << " key/value heads of " << t.head_dim << ", ffn " << t.intermediate_size << ", vocabulary "
      << t.vocab_size << (t.tie_word_embeddings ? ", tied head\n" : ", untied head\n") << "vision      "
      << v.layers << " layers, " << v.hidden_size << " channels, " << v.heads << " heads of " << v.head_dim
      << ", ffn " << v.intermediate_size << ", position grid " << v.grid_h << "x" << v.grid_w << "\n"
      << "pictures    " << config.processor.in_token_limit << " patches of " << config.processor.patch_size
      << " pixels at most\n"
      << "tokenizer   " << tokenizer.vocabulary_size() << " tokens, at most " << tokenizer.model_max_length()
      << " in a sequence\n";
}

/// What --dry --check adds: a line on `err` for each tensor with values that are not finite.
/// error: there is one
inline void check_values(const std::string& directory, std::ostream& out, std::ostream& err) {
  const auto found = find_non_finite(Checkpoint::open(directory), ModelConfig::load(directory));
  for (const NonFiniteValues& values : found) err << values.describe() << "\n";
  require(found.empty(), directory, ": expected finite values, found others in ", found.size(),
          found.size() == 1 ? " tensor" : " tensors");
  out << "values      all finite\n";
}

/// error: (usage) a flag that only adds to --dry
inline void require_dry(const ModelFlags& flags) {
  if (flags.check && !flags.dry) fail_usage("--check: expected --dry with it");
}

}  // namespace la::cli
