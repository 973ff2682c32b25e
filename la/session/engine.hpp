#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "../core/inline.hpp"
#include "../core/team.hpp"
#include "../image/image.hpp"
#include "../ops/ops.hpp"
#include "../ops/workspace.hpp"
#include "../text/tokenizer.hpp"
#include "../model/config.hpp"
#include "image_cache.hpp"
#include "kv_budget.hpp"
#include "../model/language.hpp"
#include "prefix_cache.hpp"
#include "request.hpp"
#include "../model/vision.hpp"
#include "../model/model_weights.hpp"

namespace la {

/// Which implementation of the ops runs. check runs cpu beside reference and stops at the first op that differs.
enum class Backend { cpu, reference, check };

struct SessionOptions {
  WeightFormat weights = WeightFormat::auto_;
  ActivationFormat activations = ActivationFormat::auto_;
  Backend backend = Backend::cpu;
  std::string isa{};    ///< of the cpu backend, see kernels::select_isa
  int threads = 0;      ///< 0: default_threads()
  Progress progress{};  ///< while weights are packed
  /// Puts something around the backend, to watch what it does.
  std::function<std::unique_ptr<Ops>(std::unique_ptr<Ops>)> wrap_ops{};

  /// Encoded pictures that are kept for when they come again. 0: none
  std::size_t image_cache_bytes = std::size_t{256} << 20;
  /// Pictures whose prompt's keys and values are kept for the next question on them. 0: none
  std::size_t kept_prefixes = 4;
  /// Keys and values of all rows and kept prefixes together; rows wait until they fit. 0: no limit
  std::size_t kv_budget_bytes = std::size_t{2} << 30;
};

/// error: the tokenizer has ids outside the model's vocabulary
void check_vocabulary(const Tokenizer& tokenizer, const ModelConfig& config);

/// The model and what its users share. Ops and what works on them belong to whoever holds the mutex.
struct Engine {
  Engine(const std::string& directory, const SessionOptions& options);

  /// Runs the vision tower unless the picture is still there; takes the mutex.
  EncodedImage encode(const Image& image, i64 max_side, bool shared);
  Statistics totals();

  const ModelConfig config;
  const Tokenizer tokenizer;
  const std::shared_ptr<Team> team;  // the threads of all that this session does
  const std::unique_ptr<Ops> ops;
  const ModelWeights weights;
  const ActivationFormat activations;
  KvBudget kv_budget;

  std::mutex mutex;  // over all that follows, and the ops
  VisionModel vision;
  LanguageModel language;
  Workspace workspace;
  ImageCache images;
  PrefixCache prefixes;
  Statistics statistics;

 private:
  ModelWeights load(const std::string& directory, const SessionOptions& options) const;
  EncodedImage run_vision(const Image& image, i64 max_side);
};

}  // namespace la

#if !defined(LA_COMPILED)
#include "engine.cpp"
#endif
