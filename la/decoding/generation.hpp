#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "../core/inline.hpp"
#include "../core/team.hpp"
#include "../core/tensor.hpp"
#include "answer.hpp"
#include "block.hpp"
#include "sampling.hpp"
#include "../text/special_tokens.hpp"

namespace la {

/// official: exactly as the model's authors decode. guarded: two ways out of the box loops that dense scenes
/// are known for.
///   - a block whose first row prefers `<|im_end|>` or null ends the answer, even if it could be read as a box
///   - a box with the four coordinates of an earlier box of the same label is withdrawn and ends the answer
enum class StopPolicy { official, guarded };

/// eos: the model ended, in the AR phase of hybrid by any token that does not belong in a box. max_tokens:
/// the length limit was reached. loop: a repeated box, guarded only. cancelled: the caller's stop token, so never said
/// by a Generation itself.
enum class StopReason { eos, max_tokens, loop, cancelled };

struct GenerationOptions {
  Mode mode = Mode::hybrid;
  StopPolicy stop = StopPolicy::guarded;
  Sampling sampling;
  i64 max_new_tokens = 512;
};

/// The state of one answer being decoded. It never runs the model: while not finished, the caller computes
/// what next_step() names after sequence() and hands over the logits. So the rows of a batch are this many
/// independent objects, each with its own mode, length and random numbers.
class Generation {
 public:
  enum class Step {
    ar,    ///< one row of logits, after the last token
    block  ///< six rows, after the last token and its window of masks
  };

  /// error: usage; max_new_tokens <= 0, an empty prompt or one of model_max_length or more, bad sampling
  Generation(const SpecialTokens& special, const GenerationOptions& options,
             std::vector<std::int32_t> prompt_ids, i64 model_max_length);

  bool finished() const noexcept { return stop_.has_value(); }
  Step next_step() const noexcept { return step_; }

  /// Takes the logits of one step and overwrites them. The team shares the rows; it changes nothing else.
  /// shape: [1, V] for Step::ar, [6, V] for Step::block
  /// error: another shape, logits that are not finite, a token outside the vocabulary, already finished
  void accept(Matrix logits, Team* team = nullptr);
  /// The same with the softmax already taken, for a backend that does it where the logits are; only when the sampling
  /// leaves the logits alone (leaves_logits).
  void accept_probabilities(ConstMatrix probabilities);

  /// Prompt and output. Up to max_new_tokens + 5 tokens come out: a step is never cut. It only ever grows,
  /// but for the box withdrawn by StopReason::loop.
  std::span<const std::int32_t> sequence() const noexcept { return sequence_; }
  std::span<const std::int32_t> output() const noexcept { return sequence().subspan(prompt_size_); }
  /// One for each output token: its probability in the row it was read from (see BlockOutput for derived
  /// tokens).
  std::span<const float> probabilities() const noexcept { return probabilities_; }

  /// error: not finished
  StopReason stop_reason() const;
  i64 forward_steps() const noexcept { return forward_steps_; }
  /// Doubtful boxes left to the AR phase.
  i64 switches_to_ar() const noexcept { return switches_to_ar_; }

 private:
  using LabelledBox = std::pair<std::vector<std::int32_t>, std::array<int, 4>>;

  void check_rows(ConstMatrix rows) const;
  void accept_token(Candidate token);
  void accept_block(const BlockRows& rows);
  void append(Candidate token);
  void stop_if_repeated(const ScannedItem& item);

  SpecialTokens special_;
  GenerationOptions options_;
  Step step_;
  Random random_;
  std::vector<std::int32_t> sequence_;
  std::size_t prompt_size_;
  std::size_t limit_;  // on the length of sequence_ before a step
  std::vector<float> probabilities_;
  SeenTokens seen_;
  AnswerScanner scanner_;
  std::set<LabelledBox> boxes_;
  std::optional<StopReason> stop_;
  i64 forward_steps_ = 0, switches_to_ar_ = 0;
};

}  // namespace la

#if !defined(LA_COMPILED)
#include "generation.cpp"
#endif
