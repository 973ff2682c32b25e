#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"
#include "../io/checkpoint.hpp"
#include "../text/task.hpp"
#include "engine.hpp"
#include "live_queue.hpp"
#include "request.hpp"
#include "scheduler.hpp"

namespace la::inline LA_ABI {

/// An opened model: images in, boxes out. Several threads may use one session. The model runs one pass at a time; the
/// threads take turns, pass by pass. One that was moved from can be destroyed and assigned to; all else is an error.
class Session {
 public:
  /// A checkpoint directory, or ORG/NAME in the Hugging Face cache of this machine.
  /// error: see find_checkpoint_directory, ModelConfig::load, Checkpoint::open, Tokenizer::load, load_weights
  static Session open(const std::string& directory_or_id, const SessionOptions& options = {});

  /// The model of a checkpoint that is open already: one in memory, see Checkpoint::from_memory.
  static Session open(const Checkpoint& checkpoint, const SessionOptions& options = {});

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Runs the vision tower on an Image, or a view of pixels anywhere, unless the same picture was encoded a short while ago.
  /// error: a picture whose sides cannot be used, see plan_size and require_pixels, or that no prompt can hold
  /// max_side: shrink a larger picture first (0: never); boxes stay in pixels of the picture given
  /// stop: ends it between two chunks of a layer, with an error of kind cancelled
  EncodedImage encode(const ImageView& image, i64 max_side = 0, const StopToken& stop = {});

  /// Where is this one thing?
  Result ground(const EncodedImage& image, std::string_view phrase, const AskOptions& options = {});
  /// Where are all of these categories ("car, person")? See AskOptions::categories_per_question.
  Result detect(const EncodedImage& image, std::string_view categories, const AskOptions& options = {});
  /// A point on it.
  Result point(const EncodedImage& image, std::string_view phrase, const AskOptions& options = {});
  /// Any question about one or more pictures; AskOptions::boxes_on says which of them boxes are on. What its prompt has
  /// in common with the last one on these pictures is not computed again.
  /// error: see build_prompt and Generation; a prompt that the key/value budget cannot hold
  Result ask(std::span<const EncodedImage> images, const PromptText& question,
             const AskOptions& options = {});
  Result ask(const EncodedImage& image, const PromptText& question, const AskOptions& options = {}) {
    return ask(std::span(&image, 1), question, options);
  }

  /// One request alone; its error is thrown.
  Result ask(Request request);

  /// Answers all requests, many at a time; the results are those of one at a time, bit for bit, in the order of the
  /// requests. A request that fails has its error in its result and does not touch the others.
  std::vector<Result> batch(std::span<const Request> requests, const BatchOptions& options = {});
  /// The same for as many as the source gives, whose results go to options.on_result alone.
  void batch(const RequestSource& source, const BatchOptions& options);

  /// Answers what is pushed to the queue, many at a time, until it is closed and empty. A request joins those that run as
  /// soon as a place is free; its result is what it would be alone, bit for bit. Several threads may answer one queue.
  /// options.on_item and on_result are not called: each request brings its own.
  void answer(LiveQueue& queue, const BatchOptions& options = {});

  /// Never waits for a pass.
  Statistics statistics() const;
  const ModelConfig& config() const;
  const Tokenizer& tokenizer() const;
  /// Not while another thread uses the session.
  Ops& ops();
  /// How the decoder's linear weights are held, what they are multiplied with, and the bytes of all linear weights.
  std::string_view weight_format() const;
  std::string_view activation_format() const;
  std::size_t weight_bytes() const;
  /// What was odd about the checkpoint.
  const std::vector<std::string>& warnings() const;

 private:
  explicit Session(std::unique_ptr<Engine> engine);
  Engine& engine() const;
  std::unique_ptr<Engine> engine_;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "session.cpp"
#endif
