#include "generation.hpp"

#include <algorithm>
#include <cmath>

#include "../core/error.hpp"
#include "../core/parallel.hpp"

namespace la {

LA_INLINE Generation::Generation(const SpecialTokens& special, const GenerationOptions& options,
                                 std::vector<std::int32_t> prompt_ids, i64 model_max_length)
    : special_(special),
      options_(options),
      step_(options.mode == Mode::slow ? Step::ar : Step::block),
      random_(options.sampling.seed),
      sequence_(std::move(prompt_ids)),
      prompt_size_(sequence_.size()),
      scanner_(special) {
  validate(options_.sampling);
  const i64 prompt = i64(prompt_size_);
  if (options_.max_new_tokens <= 0)
    fail_usage("max_new_tokens: expected 1 or more, found ", options_.max_new_tokens);
  if (prompt == 0) fail_usage("prompt: expected at least one token, found none");
  if (prompt >= model_max_length)
    fail_usage("prompt: ", prompt, " tokens leave no room for an answer, model_max_length is ",
               model_max_length);
  limit_ = std::size_t(prompt + std::min(options_.max_new_tokens, model_max_length - prompt));
  for (const std::int32_t id : sequence_) seen_.add(id);
}

LA_INLINE StopReason Generation::stop_reason() const {
  require(finished(), "generation: there is no stop reason before the end");
  return *stop_;
}

LA_INLINE void Generation::accept(Matrix logits, Team* team) {
  check_rows(logits);
  const auto row = [&](i64 i) { return std::span(logits.row(i), std::size_t(logits.shape[1])); };
  parallel_for(logits.shape[0], team, [&](i64 begin, i64 end, int) {
    for (i64 i = begin; i < end; ++i) to_probabilities(row(i), options_.sampling, seen_.ids());
  });
  accept_probabilities(logits);
}

LA_INLINE void Generation::accept_probabilities(ConstMatrix probabilities) {
  check_rows(probabilities);
  const auto row = [&](i64 i) {
    return std::span(probabilities.row(i), std::size_t(probabilities.shape[1]));
  };
  for (i64 i = 0; i < probabilities.shape[0]; ++i)
    require(!std::isnan(row(i)[0]), "logits: row ", i,
            " has a value that is not finite");  // softmax spreads it
  ++forward_steps_;
  if (step_ == Step::ar) {
    accept_token(choose(row(0), options_.sampling, random_));
  } else {
    BlockRows rows;
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[i] = summarize_row(row(i64(i)), special_, options_.sampling, random_);
    accept_block(rows);
  }
  if (!finished() && sequence_.size() >= limit_) stop_ = StopReason::max_tokens;
}

LA_INLINE void Generation::check_rows(ConstMatrix rows) const {
  require(!finished(), "generation: logits after the end");
  const i64 expected = step_ == Step::ar ? 1 : kBlockSize;
  require(rows.shape[0] == expected && rows.shape[1] > 0 && rows.stride[1] == 1, "logits: expected ",
          expected, " dense rows, found [", rows.shape[0], ", ", rows.shape[1], "] with stride ",
          rows.stride[1]);
}

LA_INLINE void Generation::accept_token(Candidate token) {
  append(token);
  if (finished()) return;
  if (options_.mode == Mode::slow) {
    if (token.id == special_.end) stop_ = StopReason::eos;
  } else if (token.id == special_.box_end) {
    step_ = Step::block;
  } else if (!special_.is_coord(token.id) && token.id != special_.none) {
    stop_ = StopReason::eos;
  }
}

LA_INLINE void Generation::accept_block(const BlockRows& rows) {
  const Candidate& first = rows[0].best[0];
  const bool wants_to_end = first.id == special_.end || first.id == special_.null;
  const BlockOutput output = options_.stop == StopPolicy::guarded && wants_to_end
                                 ? BlockOutput{BlockType::end, {{special_.end, first.probability}}}
                                 : decode_block(rows, special_, options_.mode);
  for (const Candidate& token : output.tokens) {
    append(token);
    if (finished()) return;
  }
  if (output.ends()) stop_ = StopReason::eos;
  if (output.switches_to_ar()) {
    step_ = Step::ar;
    ++switches_to_ar_;
  }
}

LA_INLINE void Generation::append(Candidate token) {
  sequence_.push_back(token.id);
  probabilities_.push_back(token.probability);
  seen_.add(token.id);
  const auto item = scanner_.feed(token.id, token.probability);
  if (options_.stop == StopPolicy::guarded && item && item->kind == Item::Kind::box) stop_if_repeated(*item);
}

LA_INLINE void Generation::stop_if_repeated(const ScannedItem& item) {
  const auto label = scanner_.label();
  if (boxes_.insert({{label.begin(), label.end()}, item.coordinates}).second) return;
  sequence_.resize(prompt_size_ + std::size_t(item.begin));
  probabilities_.resize(std::size_t(item.begin));
  stop_ = StopReason::loop;
}

}  // namespace la
