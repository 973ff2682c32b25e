#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "../core/inline.hpp"
#include "../core/interrupt.hpp"
#include "../text/special_tokens.hpp"
#include "../ops/workspace.hpp"
#include "config.hpp"
#include "model_weights.hpp"

namespace la::inline LA_ABI {

/// Prompt positions that take projected picture rows in place of embeddings.
struct ImageRows {
  ConstMatrix rows;  ///< [N, C], in the backend's memory
  i64 position = 0;  ///< of the first one in the sequence
};

/// Prompt tokens fed at a time: it bounds the memory of the ffn, and changes no result.
inline constexpr i64 kPrefillChunk = 512;

/// What one sequence feeds into one forward pass.
struct SequenceInput {
  KvCache* cache = nullptr;                ///< K/V of the first cache->length() tokens
  std::span<const std::int32_t> sequence;  ///< all tokens; those beyond the cache are fed
  std::span<const ImageRows> images;       ///< in the prompt
  bool block = false;                      ///< also feed the window of a block step
  /// Of the last tokens, those whose logits are wanted: one without a window, else none, unless drafts are checked.
  i64 token_rows = block ? 0 : 1;
};

/// What follows a sequence: a token, the most probable one of a summary, or a block, of six summaries from this one on. They
/// may be still to come.
struct NextInput {
  KvCache* cache = nullptr;  ///< K/V of the whole sequence
  std::int32_t summary = 0;  ///< a row of the summaries
};

/// Qwen2 decoder.
class LanguageModel {
 public:
  LanguageModel(const TextConfig& config, std::int32_t mask_token, const LanguageWeights& weights, Ops& ops);

  /// Feeds each sequence's uncached tokens, and its window. Afterwards each cache holds its whole sequence; the
  /// window's keys and values are dropped. Logits come sequence after sequence: those of the last token_rows tokens, then
  /// window's six, row j for position L + j.
  /// shape: logits [rows of all sequences, V], in the backend's memory
  /// error: Interrupted, which is asked between the ops of each layer: then the caches cannot be used any more
  void forward(std::span<const SequenceInput> inputs, Workspace& workspace, Matrix logits,
               const Interrupt& interrupt = {});

  /// Feeds each sequence a token more, as forward would once it is known. Of the caches nothing counts as fed yet.
  /// shape: summaries as of Ops::summarize, logits [tokens, V]
  void forward_next(std::span<const NextInput> tokens, ConstMatrix summaries, Workspace& workspace,
                    Matrix logits);
  /// Feeds each sequence a block more, read as in fast mode, and the window of the next one. Of the caches nothing counts as fed
  /// yet; room is taken for kFeedRows tokens.
  /// shape: logits [6 blocks, V]
  void forward_next_blocks(std::span<const NextInput> blocks, ConstMatrix summaries,
                           const SpecialTokens& special, Workspace& workspace, Matrix logits);

  /// Feeds the sequence's tokens up to `until` without asking for logits; `until` is less than its length.
  /// error: as forward
  void prefill(const SequenceInput& input, i64 until, Workspace& workspace, const Interrupt& interrupt = {});

  static i64 logit_rows(const SequenceInput& input) noexcept {
    return input.token_rows + (input.block ? kBlockSize : 0);
  }
  std::unique_ptr<KvCache> make_cache() const;

 private:
  struct Batch;
  void run(Batch& batch, Workspace& workspace, Matrix last);
  void run_ahead(Batch& batch, Workspace& workspace, Matrix logits);
  void head(Matrix last, Matrix logits);
  void layer(const DecoderLayer& l, i64 index, const Batch& batch, const struct RopeTable& rope,
             Workspace& workspace, Matrix x, Matrix last);
  void attend_and_mix(const DecoderLayer& l, i64 index, std::vector<KvRows> rows,
                      const List<KeyMask>& visible, Matrix q, Workspace& workspace, Matrix x,
                      const Interrupt& interrupt);

  const TextConfig& config_;
  std::int32_t mask_token_;
  const LanguageWeights& weights_;
  Ops& ops_;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "language.cpp"
#endif
