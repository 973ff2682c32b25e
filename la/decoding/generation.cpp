#include "generation.hpp"

#include <algorithm>
#include <cmath>

#include "../core/error.hpp"
#include "../core/parallel.hpp"

namespace la::inline LA_ABI {

LA_INLINE Generation::Generation(const SpecialTokens& special, const GenerationOptions& options,
                                 std::vector<std::int32_t> prompt_ids, i64 model_max_length,
                                 const PassCost& cost)
    : special_(special),
      options_(options),
      step_(options.mode == Mode::slow ? Step::ar : Step::block),
      random_(options.sampling.seed),
      sequence_(std::move(prompt_ids)),
      prompt_size_(sequence_.size()),
      scanner_(special),
      policy_(cost) {
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
  if (options_.mode == Mode::slow && options_.speculate && policy_.drafts()) step_ = Step::draft;
}

LA_INLINE StopReason Generation::stop_reason() const {
  require(finished(), "generation: there is no stop reason before the end");
  return *stop_;
}

LA_INLINE void Generation::accept(Matrix logits, Team* team) {
  check_rows(logits);
  const auto values = [&](i64 i) { return std::span(logits.row(i), std::size_t(logits.shape[1])); };
  const auto row = [&](i64 i) { return Row{summarize(values(i), special_), values(i)}; };
  if (step_ == Step::draft)  // a row is sampled after what the rows before it gave
    return accept_step([&](i64 i) {
      to_probabilities(values(i), options_.sampling, seen_.ids());
      return row(i);
    });
  parallel_for(logits.shape[0], team, [&](i64 begin, i64 end, int) {
    for (i64 i = begin; i < end; ++i) to_probabilities(values(i), options_.sampling, seen_.ids());
  });
  accept_step(row);
}

LA_INLINE void Generation::accept_summaries(ConstMatrix summaries) {
  check_rows(summaries);
  const auto row = [&](i64 i) {
    return Row{read_summary(std::span(summaries.row(i), std::size_t(summaries.shape[1])))};
  };
  for (i64 i = 0; i < summaries.shape[0]; ++i)  // softmax spreads it, and no probability is the largest
    require(row(i).summary.best[0].id >= 0, "logits: row ", i, " has a value that is not finite");
  accept_step(row);
}

LA_INLINE void Generation::accept_step(const RowOf& row) {
  rows_used_ = step_ == Step::draft ? 0 : rows_of_step();
  if (step_ == Step::ar) {
    ++forward_steps_;
    accept_token(row(0));
    if (options_.mode == Mode::slow) policy_.single_step();
  } else if (step_ == Step::block) {
    ++forward_steps_;
    accept_block(row);
  } else {
    const i64 rows = rows_of_step();
    accept_drafted(row);
    // Six rows more beside all those of the prompt cost next to nothing.
    if (forward_steps_++ > 0) policy_.drafted_step(rows_used_, rows);
  }
  if (options_.mode == Mode::slow && options_.speculate) {
    step_ = policy_.drafts() ? Step::draft : Step::ar;
    if (step_ == Step::ar) draft({});
  }
  if (!finished() && sequence().size() >= limit_) stop_ = StopReason::max_tokens;
}

LA_INLINE bool Generation::next_follows_best() const noexcept {
  if (finished() || step_ != Step::ar || options_.mode != Mode::slow || !options_.sampling.leaves_logits())
    return false;
  DraftPolicy next = policy_;
  next.single_step();
  return !(options_.speculate && next.drafts()) && sequence_.size() + 1 < limit_;
}

LA_INLINE bool Generation::next_follows_block() const noexcept {
  return !finished() && step_ == Step::block && options_.sampling.leaves_logits() &&
         sequence_.size() + kBlockSize < limit_;
}

LA_INLINE i64 Generation::rows_of_step() const noexcept {
  return step_ == Step::ar ? 1 : step_ == Step::block ? kBlockSize : drafts_ + 1 + kBlockSize;
}

LA_INLINE void Generation::check_rows(ConstMatrix rows) const {
  require(!finished(), "generation: logits after the end");
  const i64 expected = rows_of_step();
  require(rows.shape[0] == expected && rows.shape[1] > 0 && rows.stride[1] == 1, "logits: expected ",
          expected, " dense rows, found [", rows.shape[0], ", ", rows.shape[1], "] with stride ",
          rows.stride[1]);
}

LA_INLINE Candidate Generation::choose(const Row& row) {
  return options_.sampling.temperature > 0 ? draw(row.probabilities, random_) : row.summary.best[0];
}

LA_INLINE void Generation::accept_token(const Row& row) {
  const Candidate token = choose(row);
  append(token, row.summary);
  if (finished()) return;
  if (options_.mode == Mode::slow) {
    if (token.id == special_.end) stop_ = StopReason::eos;
  } else if (token.id == special_.box_end) {
    step_ = Step::block;
  } else if (!special_.is_coord(token.id) && token.id != special_.none) {
    stop_ = StopReason::eos;
  }
}

LA_INLINE void Generation::accept_block(const RowOf& row) {
  BlockRows rows;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row read = row(i64(i));
    rows[i] = {read.summary, choose(read)};
  }
  const Candidate& first = rows[0].best[0];
  const bool wants_to_end = first.id == special_.end || first.id == special_.null;
  const BlockOutput output = options_.stop == StopPolicy::guarded && wants_to_end
                                 ? BlockOutput{BlockType::end, {{special_.end, first.probability}}}
                                 : decode_block(rows, special_, options_.mode);
  for (std::size_t i = 0; i < output.tokens.size(); ++i) {  // the first rows' tokens, in their order
    append(output.tokens[i], rows[i]);
    if (finished()) return;
  }
  if (output.ends()) stop_ = StopReason::eos;
  if (output.switches_to_ar()) {
    step_ = Step::ar;
    ++switches_to_ar_;
  }
}

/// The row before each draft says what single steps would have chosen there. The first difference takes the draft's
/// place; those behind it are still a guess at what follows, as an answer's pieces are of fixed length.
LA_INLINE void Generation::accept_drafted(const RowOf& row) {
  const std::vector<std::int32_t> drafts(sequence_.end() - drafts_, sequence_.end());
  draft({});
  for (std::size_t i = 0; i <= drafts.size(); ++i) {
    accept_token(row(i64(i)));
    ++rows_used_;
    drafted_ += i < drafts.size();
    if (finished() || sequence_.size() >= limit_) return;
    if (i == drafts.size()) return draft_from_window(row, i64(i) + 1);
    if (sequence_.back() != drafts[i]) return draft(std::span(drafts).subspan(i + 1));
    ++accepted_;
  }
}

/// Drafts what the window says after the last token, if it said that token, too.
LA_INLINE void Generation::draft_from_window(const RowOf& row, i64 first) {
  std::vector<std::int32_t> tokens;
  for (i64 j = 0; j < kBlockSize; ++j) {
    const std::int32_t token = row(first + j).summary.best[0].id;
    if (token == special_.null || (j == 0 && token != sequence_.back())) break;
    if (j > 0) tokens.push_back(token);
  }
  draft(tokens);
}

/// Takes the place of the drafts that are left. None is checked that the length limit would not let out.
LA_INLINE void Generation::draft(std::span<const std::int32_t> tokens) {
  sequence_.resize(sequence_.size() - std::size_t(drafts_));
  const std::size_t room = limit_ > sequence_.size() ? limit_ - sequence_.size() - 1 : 0;
  tokens = tokens.first(std::min(tokens.size(), room));
  sequence_.insert(sequence_.end(), tokens.begin(), tokens.end());
  drafts_ = i64(tokens.size());
}

LA_INLINE void Generation::append(Candidate token, const RowSummary& row) {
  sequence_.push_back(token.id);
  evidence_.push_back(evidence_of(row, token.id, token.probability, special_));
  seen_.add(token.id);
  const auto item = scanner_.feed(token.id, evidence_.back());
  if (options_.stop == StopPolicy::guarded && item) stop_if_looping(*item);
}

LA_INLINE void Generation::stop_if_looping(const ScannedItem& item) {
  if (guard_.keeps(scanner_.label(), item.box(), item.begin) || guard_.dropped() < kLoopBound) return;
  sequence_.resize(prompt_size_ + std::size_t(guard_.first_dropped()));
  evidence_.resize(std::size_t(guard_.first_dropped()));
  stop_ = StopReason::loop;
}

}  // namespace la::inline LA_ABI
