#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "../core/inline.hpp"
#include "../core/team.hpp"
#include "../core/tensor.hpp"
#include "answer.hpp"
#include "block.hpp"
#include "draft_policy.hpp"
#include "evidence.hpp"
#include "loop_guard.hpp"
#include "row_summary.hpp"
#include "sampling.hpp"
#include "../text/special_tokens.hpp"

namespace la::inline LA_ABI {

/// official: exactly as the model's authors decode. guarded: two ways out of the box loops that dense scenes
/// are known for.
///   - a block whose first row prefers `<|im_end|>` or null ends the answer, even if it could be read as a box
///   - a box with the four coordinates of an earlier box of the same label ends that label, see LoopGuard. Where the
///     model goes on to another label, so does the answer; after kLoopBound dropped boxes in a row it ends, and they
///     are withdrawn
enum class StopPolicy { official, guarded };

/// As many as a label that is asked for twice, or two things that change places, have to be waited out.
inline constexpr i64 kLoopBound = 4;

/// eos: the model ended, in the AR phase of hybrid by any token that does not belong in a box. max_tokens:
/// the length limit was reached. loop: repeated boxes, guarded only. cancelled: the caller's stop token, so never said
/// by a Generation itself.
enum class StopReason { eos, max_tokens, loop, cancelled };

struct GenerationOptions {
  Mode mode = Mode::hybrid;
  StopPolicy stop = StopPolicy::guarded;
  Sampling sampling;
  i64 max_new_tokens = 2048;
  /// Slow mode drafts with blocks and keeps what single steps would have given: the same tokens in fewer passes.
  bool speculate = true;
};

/// The state of one answer being decoded. It never runs the model: while not finished, the caller computes
/// what next_step() names after sequence() and hands over the logits. So the rows of a batch are this many
/// independent objects, each with its own mode, length and random numbers.
class Generation {
 public:
  enum class Step {
    ar,     ///< one row of logits, after the last token
    block,  ///< six rows, after the last token and its window of masks
    draft  ///< slow: a row after the last token and one after each draft, then six after the window behind them
  };

  /// cost: of the passes that drafts share, which decides when they pay
  /// error: usage; max_new_tokens <= 0, an empty prompt or one of model_max_length or more, bad sampling
  Generation(const SpecialTokens& special, const GenerationOptions& options,
             std::vector<std::int32_t> prompt_ids, i64 model_max_length, const PassCost& cost = {});

  bool finished() const noexcept { return stop_.has_value(); }
  Step next_step() const noexcept { return step_; }
  /// What the next step is computed after: sequence() and, behind it, the drafts that the step checks.
  std::span<const std::int32_t> input() const noexcept { return sequence_; }
  i64 drafts() const noexcept { return drafts_; }
  /// Whether this step is of one token and so is the next one, after the most probable id of this one's row, unless that id
  /// ends the answer: then nothing of it has to be known to begin the next one. So it is in slow mode while no drafts are due.
  /// In the AR phase of hybrid it must be known what the token was.
  bool next_follows_best() const noexcept;
  /// Whether this step is of a block and so is the next one, after what decode_block reads in fast mode, unless that ends the
  /// answer or leaves a box to the AR phase: then it is enough to know that to begin the next one.
  bool next_follows_block() const noexcept;

  /// Takes the logits of one step and overwrites them. The team shares the rows; it changes nothing else.
  /// shape: [1, V] for Step::ar, [6, V] for Step::block, [drafts() + 7, V] for Step::draft
  /// error: another shape, logits that are not finite, a token outside the vocabulary, already finished
  void accept(Matrix logits, Team* team = nullptr);
  /// The same from summaries of the rows' probabilities, for a backend that makes them where the logits are; only when the
  /// sampling leaves the logits alone (leaves_logits).    shape: rows as above, of summary_floats
  void accept_summaries(ConstMatrix summaries);

  /// Prompt and output. Up to max_new_tokens + 5 tokens come out: a step is never cut. It only ever grows,
  /// but for the boxes withdrawn by StopReason::loop.
  std::span<const std::int32_t> sequence() const noexcept {
    return std::span(sequence_).first(sequence_.size() - std::size_t(drafts_));
  }
  std::span<const std::int32_t> output() const noexcept { return sequence().subspan(prompt_size_); }
  /// One for each output token, from the row it was read from (see BlockOutput for derived tokens).
  std::span<const Evidence> evidence() const noexcept { return evidence_; }

  /// error: not finished
  StopReason stop_reason() const;
  i64 forward_steps() const noexcept { return forward_steps_; }
  /// Doubtful boxes left to the AR phase.
  i64 switches_to_ar() const noexcept { return switches_to_ar_; }
  /// Drafts that were checked, and those of them that held.
  i64 drafted() const noexcept { return drafted_; }
  i64 accepted() const noexcept { return accepted_; }
  /// Rows of the last step that tokens were chosen from; with drafts only those up to the first that did not hold.
  i64 rows_used() const noexcept { return rows_used_; }

 private:
  /// What the probabilities of a row say, and all of them where tokens are drawn.
  struct Row {
    RowSummary summary;
    std::span<const float> probabilities{};
  };
  /// A row, after the tokens that stand before it.
  using RowOf = std::function<Row(i64)>;

  i64 rows_of_step() const noexcept;
  void check_rows(ConstMatrix rows) const;
  void accept_step(const RowOf& row);
  Candidate choose(const Row& row);
  void accept_token(const Row& row);
  void accept_block(const RowOf& row);
  void accept_drafted(const RowOf& row);
  void draft(std::span<const std::int32_t> tokens);
  void draft_from_window(const RowOf& row, i64 first);
  void append(Candidate token, const RowSummary& row);
  void stop_if_looping(const ScannedItem& item);

  SpecialTokens special_;
  GenerationOptions options_;
  Step step_;
  Random random_;
  std::vector<std::int32_t> sequence_;  // the drafts included
  i64 drafts_ = 0;
  std::size_t prompt_size_;
  std::size_t limit_;  // on the length of sequence_ before a step
  std::vector<Evidence> evidence_;
  SeenTokens seen_;
  AnswerScanner scanner_;
  LoopGuard guard_;
  DraftPolicy policy_;
  std::optional<StopReason> stop_;
  i64 forward_steps_ = 0, switches_to_ar_ = 0, drafted_ = 0, accepted_ = 0, rows_used_ = 0;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "generation.cpp"
#endif
