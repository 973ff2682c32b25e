#include "scheduler.hpp"

#include <algorithm>
#include <utility>

namespace la::inline LA_ABI {
namespace detail {

/// Rows [first, first + count) of all.
inline Matrix rows_of(std::vector<float>& values, i64 all, i64 first, i64 count) noexcept {
  const i64 width = i64(values.size()) / all;
  return Matrix(values.data() + first * width, {count, width});
}

/// Tokens that several prompts must share before they get a prefill pass of their own. A pass over up to some 16 rows costs
/// what its weights cost to read, so a shorter prefix is cheaper to compute again in each sequence.
inline constexpr i64 kMinSharedTokens = 16;

}  // namespace detail

LA_INLINE void Scheduler::run(const LiveSource& source, const Sink& sink) {
  for (;;) {
    const std::uint64_t releases = engine_.kv_budget.releases();
    pull(source, sink);
    cancel_stopped();
    try {
      admit();
      if (!idle())
        step();
      else if (!waiting_.empty() && running_.empty())
        engine_.kv_budget.wait(releases, interrupt_of_all());  // the rows of other threads have it all
    } catch (const Interrupted&) {                             // before this thread's turn came
      cancel_stopped();
    }
    deliver(sink);
    if (!more_ && running_.empty() && waiting_.empty()) return;
  }
}

/// Rows that are to stop are among those that run, to be delivered.
LA_INLINE void Scheduler::cancel_stopped() {
  for (Entry& entry : running_)
    if (entry.sequence->stop_requested()) entry.sequence->cancel();
  const auto stopped = std::stable_partition(
      waiting_.begin(), waiting_.end(), [](const Entry& entry) { return !entry.sequence->stop_requested(); });
  for (auto entry = stopped; entry != waiting_.end(); ++entry) {
    entry->sequence->cancel();
    running_.push_back(std::move(*entry));
  }
  waiting_.erase(stopped, waiting_.end());
}

/// Whether none of the rows that run has a step to do.
LA_INLINE bool Scheduler::idle() const {
  return std::all_of(running_.begin(), running_.end(),
                     [](const Entry& entry) { return entry.sequence->finished(); });
}

/// Whether there is a row to stop, while none of them is in a pass.
LA_INLINE Interrupt Scheduler::interrupt_of_all() const {
  const auto to_stop = [](const Entry& entry) {
    return !entry.sequence->finished() && entry.sequence->stop_requested();
  };
  return [this, to_stop] {
    return std::any_of(running_.begin(), running_.end(), to_stop) ||
           std::any_of(waiting_.begin(), waiting_.end(), to_stop);
  };
}

LA_INLINE void Scheduler::pull(const LiveSource& source, const Sink& sink) {
  while (more_ && i64(running_.size() + waiting_.size()) < options_.batch_size) {
    const bool idle = running_.empty() && waiting_.empty();
    NextRequest next = source(idle ? Wait::yes : Wait::no);
    if (auto* request = std::get_if<Request>(&next)) {
      prepare(std::move(*request), sink);
    } else {
      more_ = std::get<Absent>(next) == Absent::for_now;
      return;
    }
  }
}

LA_INLINE void Scheduler::prepare(Request request, const Sink& sink) {
  const i64 index = pulled_++;
  Result nothing;
  nothing.query = request.question.text();
  nothing.stop = StopReason::cancelled;
  if (request.options.stop.stop_requested()) return sink(index, {std::move(nothing), nullptr});
  Sequence::OnItem on_item;
  if (options_.on_item) on_item = [this, index](const Item& item) { options_.on_item(index, item); };
  std::exception_ptr failure;
  try {
    waiting_.push_back(
        {index, std::make_unique<Sequence>(engine_, std::move(request), options_, std::move(on_item))});
    return;
  } catch (const Interrupted&) {
  } catch (...) {
    failure = std::current_exception();
  }
  sink(index, {std::move(nothing), failure});
}

/// Lets waiting rows run in their order while they fit.
LA_INLINE void Scheduler::admit() {
  if (waiting_.empty() && idle()) return;
  engine_.mutex.lock(interrupt_of_all());
  const std::lock_guard lock(engine_.mutex, std::adopt_lock);
  engine_.prefixes.trim();
  while (!waiting_.empty()) {
    Sequence& sequence = *waiting_.front().sequence;
    try {
      if (!admit(sequence)) {
        engine_.count([](Statistics& s) { ++s.waits; });
        break;
      }
    } catch (const Interrupted&) {
      sequence.cancel();
    } catch (...) {
      sequence.fail(std::current_exception());
    }
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  engine_.prefixes.trim();
}

LA_INLINE bool Scheduler::admit(Sequence& sequence) {
  if (options_.share_prefix) prefill_common(sequence);
  for (;;) {
    PrefixCache::Match match;
    if (options_.share_prefix) match = engine_.prefixes.find(sequence.prompt());
    if (auto charge = engine_.kv_budget.take(sequence.kv_bytes(match.tokens))) {
      sequence.start(std::move(*charge), match);
      engine_.count([&](Statistics& s) {
        s.prompt_tokens += i64(sequence.prompt().ids.size());
        s.shared_tokens += match.tokens;
      });
      return true;
    }
    if (engine_.prefixes.drop_oldest(match.prefix)) continue;
    if (!match.prefix || !running_.empty()) return false;
    engine_.prefixes.drop(PrefixCache::Handle(match.prefix));  // alone it may fit
  }
}

/// The start that this row has in common with another waiting one is computed once, for all of them to fork.
LA_INLINE void Scheduler::prefill_common(Sequence& sequence) {
  const PromptView prompt = sequence.prompt();
  i64 common = 0;
  for (const Entry& other : waiting_)
    if (other.sequence.get() != &sequence)
      common = std::max(common, common_prefix(prompt, other.sequence->prompt()));
  common = std::min(common, i64(prompt.ids.size()) - 1);
  const PrefixCache::Match match = engine_.prefixes.find(prompt);
  if (common < match.tokens + detail::kMinSharedTokens) return;
  const std::size_t bytes = sequence.cache().own_bytes(common, 0);
  while (!engine_.kv_budget.fits(bytes + sequence.kv_bytes(common)))
    if (!engine_.prefixes.drop_oldest(match.prefix)) return;
  auto charge = engine_.kv_budget.take(bytes);
  if (!charge) return;

  auto prefix = std::make_shared<Prefix>();
  prefix->charge = std::move(*charge);
  prefix->cache = match.prefix ? match.prefix->cache->fork(match.tokens) : engine_.language.make_cache();
  prefix->ids.assign(prompt.ids.begin(), prompt.ids.begin() + common);
  prefix->images.assign(prompt.images.begin(), prompt.images.end());
  SequenceInput input = sequence.input();
  input.cache = prefix->cache.get();
  engine_.language.prefill(input, common, engine_.workspace, interrupt_of(sequence.stop()));
  engine_.count([](Statistics& s) { ++s.prefill_passes; });
  engine_.prefixes.keep(std::move(prefix));
}

/// One forward pass, and what its rows make of it.
LA_INLINE void Scheduler::step() {
  std::vector<Sequence*> pass;
  {
    engine_.mutex.lock(interrupt_of_all());
    const std::lock_guard lock(engine_.mutex, std::adopt_lock);
    pass = choose();
    try {
      if (!pass.empty()) forward(pass);
    } catch (const Interrupted&) {
      for (Sequence* sequence : pass) sequence->cancel();
    } catch (...) {
      for (Sequence* sequence : pass) sequence->fail(std::current_exception());
    }
  }
  // Callbacks are called without the mutex: they may use the session.
  i64 all = 0, first = 0;
  for (const Sequence* sequence : pass)
    if (!sequence->finished()) all += LanguageModel::logit_rows(sequence->input());
  for (Sequence* sequence : pass) {
    if (sequence->finished()) continue;
    const i64 rows = LanguageModel::logit_rows(sequence->input());
    try {
      sequence->plain() ? sequence->accept_summaries(detail::rows_of(summaries_, all, first, rows))
                        : sequence->accept(detail::rows_of(host_, all, first, rows), *engine_.team);
    } catch (...) {
      sequence->fail(std::current_exception());
    }
    first += rows;
  }
}

/// The sequences of the next pass: all that are decoding, and prompts up to one chunk of tokens together. A longer prompt
/// runs alone and one chunk at a time, so that the others wait for one chunk only.
LA_INLINE std::vector<Sequence*> Scheduler::choose() {
  std::vector<Sequence*> pass;
  i64 prompt_tokens = 0;
  for (Entry& entry : running_) {
    Sequence& sequence = *entry.sequence;
    if (sequence.finished()) continue;
    if (!sequence.in_prompt()) {
      pass.push_back(&sequence);
    } else if (sequence.uncached() > kPrefillChunk) {
      if (prompt_tokens > 0) continue;
      try {
        const SequenceInput input = sequence.input();
        engine_.language.prefill(input, input.cache->length() + kPrefillChunk, engine_.workspace,
                                 interrupt_of(sequence.stop()));
        engine_.count([](Statistics& s) { ++s.prefill_passes; });
      } catch (const Interrupted&) {
        sequence.cancel();
      } catch (...) {
        sequence.fail(std::current_exception());
      }
      prompt_tokens += kPrefillChunk;
    } else if (prompt_tokens == 0 || prompt_tokens + sequence.uncached() <= kPrefillChunk) {
      prompt_tokens += sequence.uncached();
      pass.push_back(&sequence);
    }
  }
  return pass;
}

LA_INLINE void Scheduler::forward(const std::vector<Sequence*>& pass) {
  std::vector<SequenceInput> inputs;
  i64 rows = 0;
  for (const Sequence* sequence : pass) {
    inputs.push_back(sequence->input());
    rows += LanguageModel::logit_rows(inputs.back());
  }
  Ops& ops = *engine_.ops;
  const i64 vocabulary = engine_.config.text.vocab_size;
  const std::vector<std::int32_t> ids = summary_ids(engine_.config.tokens, vocabulary);
  const i64 width = summary_floats(i64(ids.size()));
  const auto each_of_pass = [&](bool (Sequence::*follows)() const noexcept) {
    return std::all_of(pass.begin(), pass.end(),
                       [&](const Sequence* sequence) { return (sequence->*follows)(); });
  };
  const bool next_blocks = ops.runs_behind() && each_of_pass(&Sequence::next_follows_block);
  const bool goes_on = next_blocks || (ops.runs_behind() && each_of_pass(&Sequence::next_follows_best));
  const Workspace::Scope scope(engine_.workspace);
  std::vector<std::int32_t> of_pass;  // which of the summaries are the pass's
  Matrix summaries;
  std::unique_ptr<Download> download;
  if (std::optional<Ahead> asked = take_ahead(pass)) {
    summaries = asked->summaries;
    download = std::move(asked->download);
    const auto& asked_of = asked->sequences;
    const std::int32_t each = asked->blocks ? kBlockSize : 1;
    for (const Sequence* sequence : pass) {
      const auto place = std::find(asked_of.begin(), asked_of.end(), sequence) - asked_of.begin();
      for (std::int32_t i = 0; i < each; ++i) of_pass.push_back(std::int32_t(place) * each + i);
    }
  } else {
    const Matrix logits = engine_.workspace.matrix(rows, vocabulary);
    engine_.weights.require_whole();  // where the weights' file was cut short, before it is read and after
    engine_.language.forward(inputs, engine_.workspace, logits, [&] {  // when nobody wants it any more
      return std::all_of(pass.begin(), pass.end(),
                         [](const Sequence* sequence) { return sequence->stop_requested(); });
    });
    engine_.weights.require_whole();

    // Rows whose sampling changes logits travel; of all others what decoding reads of them.
    summaries = goes_on ? lasting_summaries(rows) : engine_.workspace.matrix(rows, width);
    i64 first = 0, plain = 0;
    for (std::size_t i = 0; i < pass.size(); ++i) {
      Sequence& sequence = *pass[i];
      const i64 count = LanguageModel::logit_rows(inputs[i]);
      const Matrix own = logits.rows(first, count);
      if (sequence.wants_logits() || !sequence.plain()) {
        host_.resize(std::size_t(logits.size()));
        ops.download(own.data, host_.data() + first * vocabulary, std::size_t(own.size()) * sizeof(float));
      }
      if (sequence.wants_logits()) sequence.show_logits(detail::rows_of(host_, rows, first, count));
      if (sequence.plain()) ops.summarize(own, ids, summaries.rows(first, count));
      plain += sequence.plain();
      if (sequence.in_prompt() && options_.share_prefix) keep_prefix(sequence);
      first += count;
    }
    if (plain > 0) download = ops.start_download(summaries);
    for (i64 row = 0; row < rows; ++row) of_pass.push_back(std::int32_t(row));
  }
  if (goes_on) ask_ahead(pass, next_blocks, summaries, of_pass);

  summaries_.resize(std::size_t(rows * width));
  if (download) {
    const std::span<const float> all = download->wait();
    for (i64 row = 0; row < rows; ++row)
      std::copy_n(all.data() + of_pass[std::size_t(row)] * width, width, summaries_.data() + row * width);
  }

  engine_.count([&](Statistics& s) {
    ++s.passes;
    s.rows += i64(pass.size());
    s.max_rows = std::max(s.max_rows, i64(pass.size()));
  });
}

/// The pass behind this one, in which each sequence takes the most probable token of its summary, or what its block gives. Should
/// it fail, the step that needs it asks again, and fails itself.
LA_INLINE void Scheduler::ask_ahead(const std::vector<Sequence*>& pass, bool blocks, ConstMatrix summaries,
                                    std::span<const std::int32_t> rows) {
  const i64 each = blocks ? kBlockSize : 1, count = i64(rows.size()),
            vocabulary = engine_.config.text.vocab_size;
  std::vector<NextInput> inputs;
  for (std::size_t i = 0; i < pass.size(); ++i)
    inputs.push_back({pass[i]->input().cache, rows[i * std::size_t(each)]});
  try {
    const Workspace::Scope scope(engine_.workspace);
    const Matrix logits = engine_.workspace.matrix(count, vocabulary), next = lasting_summaries(count);
    blocks ? engine_.language.forward_next_blocks(inputs, summaries, engine_.config.tokens, engine_.workspace,
                                                  logits)
           : engine_.language.forward_next(inputs, summaries, engine_.workspace, logits);
    engine_.ops->summarize(logits, summary_ids(engine_.config.tokens, vocabulary), next);
    ahead_ = Ahead{pass, blocks, next, engine_.ops->start_download(next)};
    engine_.count([](Statistics& s) { ++s.asked_ahead; });
  } catch (...) {
  }
}

/// Where summaries stay until the pass behind has read them, which then writes its own there.
LA_INLINE Matrix Scheduler::lasting_summaries(i64 rows) {
  const i64 width =
      summary_floats(i64(summary_ids(engine_.config.tokens, engine_.config.text.vocab_size).size()));
  const std::size_t bytes = std::size_t(rows * width) * sizeof(float);
  if (bytes > lasting_bytes_) {
    lasting_ = engine_.ops->allocate(bytes);
    lasting_bytes_ = bytes;
  }
  return Matrix(reinterpret_cast<float*>(lasting_.get()), {rows, width});
}

/// What was asked for ahead, if it is this pass: the rows of others are of those that have ended. Else it is dropped.
LA_INLINE std::optional<Scheduler::Ahead> Scheduler::take_ahead(const std::vector<Sequence*>& pass) {
  forget_finished();
  if (!ahead_) return std::nullopt;
  std::vector<Sequence*> left = ahead_->sequences;
  std::erase(left, nullptr);
  std::optional<Ahead> asked = std::exchange(ahead_, std::nullopt);
  if (left != pass || !std::all_of(pass.begin(), pass.end(), [&](const Sequence* sequence) {
        return LanguageModel::logit_rows(sequence->input()) == (asked->blocks ? kBlockSize : 1);
      }))
    return std::nullopt;
  for (Sequence* sequence : pass) sequence->keep_ahead();
  engine_.count([](Statistics& s) { ++s.taken_ahead; });
  return asked;
}

LA_INLINE void Scheduler::forget_finished() {
  if (!ahead_) return;
  for (Sequence*& sequence : ahead_->sequences)
    if (sequence && sequence->finished()) sequence = nullptr;
}

/// The prompt stays for the next question on its pictures, unless what is kept already served most of it.
LA_INLINE void Scheduler::keep_prefix(const Sequence& sequence) {
  const PromptView prompt = sequence.prompt();
  const i64 length = i64(prompt.ids.size());
  if (engine_.prefixes.capacity() == 0 || 2 * sequence.shared_tokens() > length) return;
  auto charge = engine_.kv_budget.take(sequence.cache().own_bytes(length, 0));
  if (!charge) return;
  auto prefix = std::make_shared<Prefix>();
  prefix->charge = std::move(*charge);
  prefix->cache = sequence.cache().fork(length);
  prefix->ids.assign(prompt.ids.begin(), prompt.ids.end());
  prefix->images.assign(prompt.images.begin(), prompt.images.end());
  engine_.prefixes.keep(std::move(prefix));
  engine_.prefixes.trim();
}

LA_INLINE void Scheduler::deliver(const Sink& sink) {
  forget_finished();
  const auto ended = std::stable_partition(running_.begin(), running_.end(),
                                           [](const Entry& entry) { return !entry.sequence->finished(); });
  std::vector<Entry> done(std::make_move_iterator(ended), std::make_move_iterator(running_.end()));
  running_.erase(ended, running_.end());
  for (Entry& entry : done) {
    Sequence::Outcome outcome = entry.sequence->take_outcome();
    entry.sequence.reset();  // its keys and values go before the next row comes
    sink(entry.index, std::move(outcome));
  }
}

}  // namespace la::inline LA_ABI
