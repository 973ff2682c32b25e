#pragma once

#include <algorithm>
#include <cstddef>

#include "../core/tensor.hpp"
#include "../weights/weight.hpp"

namespace la::inline LA_ABI {

/// What is going to run: a model, on one picture with some questions at once.
struct MemoryPlan {
  WeightFormat weights = WeightFormat::auto_;
  int threads = 0;            ///< 0: default_threads()
  i64 width = 0, height = 0;  ///< of the picture, in pixels
  i64 max_side = 0;           ///< larger pictures are shrunk to this. 0: never
  i64 questions = 1;
  i64 question_tokens = 128;  ///< of each prompt, beside the picture's
  i64 max_new_tokens = 2048;
  bool card = false;  ///< the model is on a card, which has memory of its own
  ActivationFormat activations = ActivationFormat::auto_;  ///< on a card
};

/// Bytes of a card's memory that a run will take.
struct DeviceMemoryEstimate {
  std::size_t weights = 0;    ///< when all are there
  std::size_t loading = 0;    ///< most while they come, with the slice of them that is on its way
  std::size_t encoding = 0;   ///< most that the picture takes beside them until it is encoded
  std::size_t kv_cache = 0;   ///< keys and values of the prompt and the longest answer
  std::size_t workspace = 0;  ///< intermediate results, logits, partial sums of attention, lists
  std::size_t image = 0;      ///< encoded rows
  std::size_t peak = 0;       ///< most at a time, once the weights are there

  std::size_t total() const noexcept { return std::max(loading, peak); }
};

}  // namespace la::inline LA_ABI
