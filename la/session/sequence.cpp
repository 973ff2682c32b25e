#include "sequence.hpp"

#include <algorithm>

#include "../core/error.hpp"
#include "../image/load.hpp"
#include "../text/named_image.hpp"

namespace la::inline LA_ABI {

LA_INLINE Sequence::Sequence(Engine& engine, Request request, const BatchOptions& batch, OnItem on_item)
    : tokenizer_(engine.tokenizer), options_(std::move(request.options)), on_item_(std::move(on_item)) {
  result_.query = request.question.text();
  if (request.images.empty()) fail_usage("request: expected at least one picture");
  const i64 images = i64(request.images.size());
  const i64 target = options_.boxes_on ? *options_.boxes_on : named_image(result_.query, images).value_or(0);
  if (target < 0 || target >= images)
    fail_usage("boxes_on: expected one of ", images, " pictures, counted from 0, found ", target);
  const std::vector<i64> row_counts = read(engine, request);
  Prompt prompt =
      build_prompt(tokenizer_, engine.config.tokens, request.question, row_counts, options_.prompt_style);
  const i64 length = i64(prompt.ids.size()), longest = tokenizer_.model_max_length();
  generation_ = std::make_unique<Generation>(
      engine.config.tokens, options_.generation, std::move(prompt.ids), longest,
      PassCost{engine.ops->rows_per_read(engine.weights.bytes), batch.batch_size});
  result_.prompt_tokens = length;

  // The last step may start one token below the limit, and then adds a whole window.
  max_tokens_ = length + std::min(options_.generation.max_new_tokens, longest - length) + kBlockSize;
  cache_ = engine.language.make_cache();
  if (kv_bytes(0) > engine.kv_budget.limit())
    fail_usage("kv_budget_bytes: a prompt of ", length, " tokens and ", max_tokens_ - length - kBlockSize,
               " new ones take ", kv_bytes(0), " bytes, the budget is ", engine.kv_budget.limit());

  encode(engine, request, batch.share_vision);
  place(prompt.images);
  const EncodedImage& shown = images_[std::size_t(target)];
  const auto decode_label = [&tokenizer = tokenizer_](std::span<const std::int32_t> ids) {
    return tokenizer.decode(ids);
  };
  parser_ = std::make_unique<AnswerParser>(
      engine.config.tokens, decode_label, int(shown.width), int(shown.height),
      options_.generation.stop == StopPolicy::guarded ? Repeats::dropped : Repeats::kept);
  result_.width = shown.width;
  result_.height = shown.height;
}

/// Reads files in place of their names; the rows that each picture has, or will have.
LA_INLINE std::vector<i64> Sequence::read(Engine& engine, Request& request) {
  std::vector<i64> row_counts;
  for (ImageSource& source : request.images) {
    if (const auto* path = std::get_if<std::string>(&source)) source = load_image(*path, request.load);
    if (const auto* encoded = std::get_if<EncodedImage>(&source)) {
      const ConstMatrix& rows = encoded->rows;
      if (!rows.data || rows.shape[1] != engine.config.text.hidden_size)
        fail_usage("request: expected a picture encoded with this model, found one of ", rows.shape[0],
                   " rows of ", rows.shape[1], " values");
      row_counts.push_back(rows.shape[0]);
      continue;
    }
    const ImageView view = view_of(source);
    require_pixels(view, "picture");
    row_counts.push_back(engine.encoded_rows(view.width, view.height, request.max_side));
  }
  return row_counts;
}

LA_INLINE void Sequence::encode(Engine& engine, Request& request, bool share_vision) {
  for (ImageSource& source : request.images) {
    if (!std::holds_alternative<EncodedImage>(source))
      source = engine.encode(view_of(source), request.max_side, share_vision, interrupt_of(options_.stop));
    images_.push_back(std::get<EncodedImage>(source));
    result_.preprocess_seconds += images_.back().preprocess_seconds;
    result_.vision_seconds += images_.back().vision_seconds;
  }
}

LA_INLINE void Sequence::place(const std::vector<ImageSpan>& spans) {
  for (const ImageSpan& span : spans) {
    const EncodedImage& image = images_[std::size_t(span.image)];
    image_rows_.push_back({image.rows, span.first});
    placed_.push_back({image.memory, span.first, span.count});
  }
}

LA_INLINE SequenceInput Sequence::input() const noexcept {
  const Generation::Step step = generation_->next_step();
  SequenceInput input{cache_.get(), generation_->input(), image_rows_, step != Generation::Step::ar};
  if (step == Generation::Step::draft) input.token_rows = generation_->drafts() + 1;
  return input;
}

LA_INLINE void Sequence::start(KvBudget::Charge charge, const PrefixCache::Match& match) {
  charge_ = std::move(charge);
  if (match.prefix) {
    prefix_ = match.prefix;
    cache_ = prefix_->cache->fork(match.tokens);
    result_.shared_tokens = match.tokens;
  }
  watch_.lap();
}

LA_INLINE void Sequence::show_logits(ConstMatrix logits) {
  if (generation_->next_step() != Generation::Step::draft) return options_.on_logits(logits);
  checked_.clear();
  checked_columns_ = logits.shape[1];
  for (i64 i = 0; i < logits.shape[0]; ++i)
    checked_.insert(checked_.end(), logits.row(i), logits.row(i) + logits.shape[1]);
}

/// The cache keeps what stands; the last token was not fed yet.
LA_INLINE void Sequence::drop_drafts() {
  cache_->truncate(std::min(cache_->length(), i64(generation_->sequence().size()) - 1));
  if (!wants_logits()) return;
  for (i64 i = 0; i < generation_->rows_used(); ++i)  // one by one, as without drafts
    options_.on_logits(ConstMatrix(checked_.data() + i * checked_columns_, {1, checked_columns_}));
}

LA_INLINE void Sequence::accept(Matrix logits, Team& team) {
  step([&] { generation_->accept(logits, &team); });
}

LA_INLINE void Sequence::accept_summaries(ConstMatrix summaries) {
  step([&] { generation_->accept_summaries(summaries); });
}

template <class Accept>
void Sequence::step(const Accept& accept) {
  const bool drafted = generation_->next_step() == Generation::Step::draft;
  accept();
  if (drafted) drop_drafts();
  parse();
  if (generation_->forward_steps() == 1) {
    result_.prefill_seconds = watch_.lap();
    first_tokens_ = generation_->output().size();
  } else {
    result_.decode_seconds += watch_.lap();
  }
}

LA_INLINE void Sequence::parse() {
  const std::span<const std::int32_t> added = std::span(generation_->output()).subspan(parsed_);
  if (options_.on_tokens && !added.empty()) options_.on_tokens(added);
  for (; parsed_ < generation_->output().size(); ++parsed_) {
    const auto item = parser_->feed(generation_->output()[parsed_], generation_->evidence()[parsed_]);
    if (!item || item->score < options_.min_score) continue;
    result_.items.push_back(*item);
    if (options_.on_item) options_.on_item(*item);
    if (on_item_) on_item_(*item);
  }
}

LA_INLINE Sequence::Outcome Sequence::take_outcome() {
  if (failure_) {
    Result nothing;
    nothing.query = result_.query;
    return {std::move(nothing), failure_};
  }
  parser_->finish();
  result_.warnings = parser_->warnings();
  if (generation_->finished() && generation_->stop_reason() == StopReason::max_tokens)
    result_.warnings.push_back(
        detail::concat("the answer was cut at ", generation_->output().size(), " tokens"));
  result_.token_ids.assign(generation_->output().begin(), generation_->output().end());
  result_.answer = tokenizer_.decode(result_.token_ids);
  result_.stop = generation_->finished() ? generation_->stop_reason() : StopReason::cancelled;
  result_.forward_steps = generation_->forward_steps();
  result_.switches_to_ar = generation_->switches_to_ar();
  result_.drafted = generation_->drafted();
  result_.accepted = generation_->accepted();
  if (result_.decode_seconds > 0)
    result_.tokens_per_second = double(result_.token_ids.size() - first_tokens_) / result_.decode_seconds;
  return {std::move(result_), nullptr};
}

}  // namespace la::inline LA_ABI
