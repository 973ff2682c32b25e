#pragma once

#include <algorithm>
#include <cstddef>

#include "../core/inline.hpp"
#include "../io/checkpoint.hpp"
#include "../model/config.hpp"
#include "memory_plan.hpp"

namespace la::inline LA_ABI {

/// Bytes of main memory that a run will take, told from the checkpoint's headers alone, and of a card's.
struct MemoryEstimate {
  std::size_t weights =
      0;  ///< as they will be packed, or where they lie in a packed file, when all are in use
  std::size_t loading =
      0;  ///< most that packed weights, and the stored one that is being packed, take together
  std::size_t encoding =
      0;  ///< what a picture takes only while it is encoded: its patches, then its keys and values
  std::size_t kv_cache = 0;   ///< keys and values of the prompt and the longest answer
  std::size_t workspace = 0;  ///< intermediate results, logits, and the threads' own memory
  std::size_t image = 0;      ///< pixels, decoded, and encoded rows
  std::size_t program = 0;    ///< code, tokenizer and tables, roughly
  DeviceMemoryEstimate device{};

  /// Loading comes first, then encoding, then the prompt; each gives back what only it took.
  std::size_t total() const noexcept {
    return program + image + std::max(loading, weights + workspace + std::max(encoding, kv_cache));
  }
};

/// error: as check_weights and plan_size
MemoryEstimate estimate_memory(const Checkpoint& checkpoint, const ModelConfig& config,
                               const MemoryPlan& plan);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "memory.cpp"
#endif
