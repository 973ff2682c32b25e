#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "../core/inline.hpp"
#include "../core/interrupt.hpp"
#include "../core/team.hpp"
#include "../image/image_view.hpp"
#include "../io/checkpoint_files.hpp"
#include "../model/config.hpp"
#include "../model/language.hpp"
#include "../model/model_weights.hpp"
#include "../model/vision.hpp"
#include "../ops/cuda/driver.hpp"
#include "../ops/ops.hpp"
#include "../ops/workspace.hpp"
#include "../text/tokenizer.hpp"
#include "image_cache.hpp"
#include "kv_budget.hpp"
#include "options.hpp"
#include "prefix_cache.hpp"
#include "request.hpp"
#include "turn.hpp"

namespace la::inline LA_ABI {

/// error: the tokenizer has ids outside the model's vocabulary
void check_vocabulary(const Tokenizer& tokenizer, const ModelConfig& config);

/// The driver of the card that the options choose; null: the processor runs everything.
/// error: a card was asked for and cannot be had
std::shared_ptr<cuda::Driver> choose_card(const SessionOptions& options, const CheckpointFiles& source);

/// The model and what its users share. Ops and what works on them belong to whoever holds the mutex.
struct Engine {
  Engine(const CheckpointFiles& source, const SessionOptions& options);

  /// Rows that a picture of that size has when it is encoded.
  /// error: as plan_size
  i64 encoded_rows(i64 width, i64 height, i64 max_side) const;
  /// Runs the vision tower, with the mutex, unless the picture is still there.
  /// error: a picture that no prompt can hold; Interrupted
  EncodedImage encode(const ImageView& image, i64 max_side, bool shared, const Interrupt& interrupt);

  /// Changes the totals, which have a mutex of their own: to read them is not to wait for a pass.
  template <class Change>
  void count(const Change& change) {
    const std::lock_guard lock(statistics_mutex_);
    change(statistics_);
  }
  Statistics totals();

  const ModelConfig config;
  const Tokenizer tokenizer;
  const std::shared_ptr<Team> team;  // the threads of all that this session does
  const std::unique_ptr<Ops> ops;
  const ModelWeights weights;
  const ActivationFormat activations;
  KvBudget kv_budget;

  Turn mutex;  // over all that follows, and the ops
  VisionModel vision;
  LanguageModel language;
  Workspace workspace;
  ImageCache images;  // which has a mutex of its own: a picture that is still there waits for no pass
  PrefixCache prefixes;

 private:
  ModelWeights load(const CheckpointFiles& source, const SessionOptions& options) const;
  EncodedImage run_vision(const ImageView& image, i64 max_side, const Interrupt& interrupt);

  std::mutex statistics_mutex_;
  Statistics statistics_;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "engine.cpp"
#endif
