#pragma once

#include <algorithm>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "../core/inline.hpp"
#include "engine.hpp"
#include "../core/stopwatch.hpp"

namespace la::inline LA_ABI {

/// One request being answered: its prompt, its keys and values, and its answer so far.
class Sequence {
 public:
  using OnItem = std::function<void(const Item&)>;

  /// Reads and encodes the pictures, and builds the prompt. Takes the engine's mutex.
  /// error: an unreadable picture, a bad question (see build_prompt), bad options (see Generation), more tokens than
  /// the key/value budget holds; all that is known before the pictures are encoded. Interrupted, by the request's stop
  Sequence(Engine& engine, Request request, const BatchOptions& batch, OnItem on_item);

  // What the scheduler asks

  PromptView prompt() const noexcept {
    return {generation_->sequence().first(std::size_t(result_.prompt_tokens)), placed_};
  }
  /// Bytes of its own for all tokens it can ever have, when the first `forked` come from a prefix.
  std::size_t kv_bytes(i64 forked) const noexcept { return cache_->own_bytes(max_tokens_, forked); }
  bool finished() const noexcept { return ended_ || failure_ || generation_->finished(); }
  bool stop_requested() const noexcept { return options_.stop.stop_requested(); }
  const StopToken& stop() const noexcept { return options_.stop; }
  i64 uncached() const noexcept { return i64(generation_->sequence().size()) - cache_->length(); }
  bool in_prompt() const noexcept { return generation_->forward_steps() == 0; }
  SequenceInput input() const noexcept;
  const KvCache& cache() const noexcept { return *cache_; }
  std::span<const PlacedImage> placed_images() const noexcept { return placed_; }
  i64 shared_tokens() const noexcept { return result_.shared_tokens; }
  bool wants_logits() const noexcept { return bool(options_.on_logits); }
  bool plain() const noexcept { return options_.generation.sampling.leaves_logits(); }
  /// See Generation; nobody waits for anything between this step and the next one either.
  bool next_follows_best() const noexcept { return goes_on() && generation_->next_follows_best(); }
  bool next_follows_block() const noexcept { return goes_on() && generation_->next_follows_block(); }

  // What happens to it

  /// It may run: its bytes are its own, and what it shares is forked.
  void start(KvBudget::Charge charge, const PrefixCache::Match& match);
  /// Before sampling changes them. Where drafts are checked, those that stand are shown when that is known.
  void show_logits(ConstMatrix logits);
  /// Takes the results of the step that input() described: logits, or with plain() summaries of their softmax.
  void accept(Matrix logits, Team& team);
  void accept_summaries(ConstMatrix summaries);
  /// All its tokens were fed ahead.
  void keep_ahead() { cache_->extend(uncached()); }
  void fail(std::exception_ptr failure) noexcept { failure_ = std::move(failure); }
  /// Ends it between two steps.
  void cancel() noexcept { ended_ = true; }

  struct Outcome {
    Result result;
    std::exception_ptr failure;  ///< then the result holds the query alone
  };
  Outcome take_outcome();

 private:
  bool goes_on() const noexcept { return !wants_logits() && !stop_requested(); }
  std::vector<i64> read(Engine& engine, Request& request);
  void encode(Engine& engine, Request& request, bool share_vision);
  void place(const std::vector<ImageSpan>& spans);
  void drop_drafts();
  template <class Accept>
  void step(const Accept& accept);
  void parse();

  const Tokenizer& tokenizer_;
  AskOptions options_;
  OnItem on_item_;
  std::vector<EncodedImage> images_;
  std::vector<ImageRows> image_rows_;
  std::vector<PlacedImage> placed_;
  std::unique_ptr<Generation> generation_;
  std::unique_ptr<AnswerParser> parser_;
  std::vector<float> checked_;  // logits of a step with drafts, when they are to be shown
  i64 checked_columns_ = 0;
  i64 max_tokens_ = 0;
  KvBudget::Charge charge_;     // given back after the cache
  PrefixCache::Handle prefix_;  // whose pages the cache shares
  std::unique_ptr<KvCache> cache_;
  Stopwatch watch_;
  std::size_t parsed_ = 0, first_tokens_ = 0;
  Result result_;
  std::exception_ptr failure_;
  bool ended_ = false;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "sequence.cpp"
#endif
