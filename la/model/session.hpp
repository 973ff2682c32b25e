#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"
#include "../image/image.hpp"
#include "../ops/ops.hpp"
#include "../text/prompt.hpp"
#include "../text/task.hpp"
#include "answer.hpp"
#include "config.hpp"
#include "generation.hpp"
#include "weights.hpp"

namespace la {

/// Which implementation of the ops runs. check runs cpu beside reference and stops at the first op that differs.
enum class Backend { cpu, reference, check };

struct SessionOptions {
  Weights weights = Weights::auto_;
  Activations activations = Activations::auto_;
  Backend backend = Backend::cpu;
  std::string isa{};    ///< of the cpu backend, see kernels::select_isa
  int threads = 0;      ///< 0: OpenMP's default
  Progress progress{};  ///< while weights are packed
};

/// A picture after the vision tower, ready for any number of questions.
struct EncodedImage {
  i64 width = 0, height = 0;            ///< of the picture as given; boxes are in its pixels
  i64 grid_h = 0, grid_w = 0;           ///< patches before merging
  std::shared_ptr<std::byte> memory;    ///< holds rows, in the session's backend
  ConstMatrix rows;                     ///< [grid_h * grid_w / 4, C] projected
  double preprocess_seconds = 0, vision_seconds = 0;
};

struct AskOptions {
  GenerationOptions generation;
  PromptStyle prompt_style = PromptStyle::processor;
  /// Called with each item as soon as its `</box>` is decoded.
  std::function<void(const Item&)> on_item;
};

struct Result {
  std::vector<Item> items;
  std::string query;                     ///< the question asked
  std::string answer;                    ///< text of all generated ids, special tokens included
  std::vector<std::int32_t> token_ids;   ///< all generated ids
  StopReason stop = StopReason::eos;
  i64 prompt_tokens = 0;
  i64 forward_steps = 0, switches_to_ar = 0;
  double prefill_seconds = 0;            ///< the first forward pass, prompt and first step together
  double decode_seconds = 0;             ///< all others
  std::vector<std::string> warnings;     ///< pieces of the answer that were skipped

  /// Of the passes after the first; 0 when there was none.
  double tokens_per_second = 0;
};

/// An opened model: pictures in, boxes out. Not for use by several threads at once.
class Session {
 public:
  /// A checkpoint directory, or ORG/NAME in the Hugging Face cache of this machine.
  /// error: see find_checkpoint_directory, ModelConfig::load, Checkpoint::open, Tokenizer::load, load_weights
  static Session open(const std::string& directory_or_id, const SessionOptions& options = {});

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Runs the vision tower.
  /// error: a picture whose sides cannot be used, see plan_size
  /// max_side: shrink a larger picture first (0: never); boxes stay in pixels of the picture given
  EncodedImage encode(const Image& image, i64 max_side = 0);

  /// Where is this one thing?
  Result ground(const EncodedImage& image, std::string_view phrase, const AskOptions& options = {});
  /// Where are all of these categories ("car, person")?
  Result detect(const EncodedImage& image, std::string_view categories, const AskOptions& options = {});
  /// A point on it.
  Result point(const EncodedImage& image, std::string_view phrase, const AskOptions& options = {});
  /// Any question. Boxes are in pixels of the first picture.
  /// error: see build_prompt and Generation
  Result ask(std::span<const EncodedImage> images, const PromptText& question, const AskOptions& options = {});
  Result ask(const EncodedImage& image, const PromptText& question, const AskOptions& options = {}) {
    return ask(std::span(&image, 1), question, options);
  }

  const ModelConfig& config() const noexcept;
  const Tokenizer& tokenizer() const noexcept;
  Ops& ops() noexcept;
  /// How the decoder's linear weights are held, what they are multiplied with, and the bytes of all linear weights.
  std::string_view weight_format() const noexcept;
  std::string_view activation_format() const noexcept;
  std::size_t weight_bytes() const noexcept;
  /// What was odd about the checkpoint.
  const std::vector<std::string>& warnings() const noexcept;

 private:
  struct Parts;
  explicit Session(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace la

#if !defined(LA_COMPILED)
#include "session.cpp"
#endif
