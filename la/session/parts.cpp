#include "parts.hpp"

#include <algorithm>
#include <utility>

#include "../core/error.hpp"
#include "../image/load.hpp"
#include "../text/task.hpp"
#include "join.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// A name that is there twice is asked once: the model would read on at its second as a loop, and lose what comes behind.
inline std::vector<std::string> each_once(const std::vector<std::string>& names) {
  std::vector<std::string> once;
  for (const std::string& name : names)
    if (std::find(once.begin(), once.end(), name) == once.end()) once.push_back(name);
  return once;
}

/// In pieces of at most `size`; 0: one piece.
inline std::vector<std::vector<std::string>> groups_of(const std::vector<std::string>& categories, i64 size) {
  if (size < 0) fail_usage("categories_per_question: expected 0 or more, found ", size);
  const std::size_t most = size > 0 ? std::size_t(size) : std::max<std::size_t>(1, categories.size());
  std::vector<std::vector<std::string>> groups;
  for (std::size_t begin = 0; begin < categories.size(); begin += most) {
    const auto first = categories.begin() + std::ptrdiff_t(begin);
    groups.emplace_back(first, first + std::ptrdiff_t(std::min(most, categories.size() - begin)));
  }
  if (groups.empty()) groups.emplace_back();
  return groups;
}

/// Of pixels, the caller's or the request's own.
inline ImageView view_of(const ImageSource& source) {
  if (const auto* image = std::get_if<Image>(&source)) return *image;
  return std::get<ImageView>(source);
}

/// What was counted in both.
inline void add_counts(Result& sum, const Result& part) {
  const double seconds = sum.decode_seconds + part.decode_seconds;
  if (seconds > 0)
    sum.tokens_per_second =
        (sum.tokens_per_second * sum.decode_seconds + part.tokens_per_second * part.decode_seconds) / seconds;
  sum.answer += part.answer;
  sum.token_ids.insert(sum.token_ids.end(), part.token_ids.begin(), part.token_ids.end());
  sum.prompt_tokens += part.prompt_tokens;
  sum.shared_tokens += part.shared_tokens;
  sum.forward_steps += part.forward_steps;
  sum.switches_to_ar += part.switches_to_ar;
  sum.drafted += part.drafted;
  sum.accepted += part.accepted;
  sum.preprocess_seconds += part.preprocess_seconds;
  sum.vision_seconds += part.vision_seconds;
  sum.prefill_seconds += part.prefill_seconds;
  sum.decode_seconds = seconds;
}

/// The reason that says most about what may be missing.
inline StopReason graver(StopReason a, StopReason b) {
  for (const StopReason reason : {StopReason::cancelled, StopReason::max_tokens, StopReason::loop})
    if (a == reason || b == reason) return reason;
  return StopReason::eos;
}

}  // namespace detail

LA_INLINE NextRequest Parts::next(Wait wait) {
  while (!open_) {
    NextRequest next = source_(wait);
    auto* request = std::get_if<Request>(&next);
    if (!request) return next;
    open_ = std::make_shared<Whole>();
    open_->index = pulled_++;
    open_->request = std::move(*request);
    std::exception_ptr failure;
    try {
      divide(*open_);
    } catch (...) {
      failure = std::current_exception();
    }
    if (!failure) continue;
    Result nothing;
    nothing.query = open_->request.question.text();
    const i64 index = open_->index;
    open_.reset();
    sink_(index, {std::move(nothing), failure});
  }
  const std::size_t part = open_->asked++;
  running_[given_++] = {open_, part};
  Request request = request_of(*open_, part);
  if (open_->asked == open_->parts()) open_.reset();  // while a queue is empty, pictures must not be kept
  return request;
}

LA_INLINE void Parts::divide(Whole& whole) const {
  Request& request = whole.request;
  const AskOptions& ask = request.options;
  request.categories = detail::each_once(request.categories);
  whole.groups = detail::groups_of(request.categories, ask.categories_per_question);
  if (!request.categories.empty()) request.question = detect_question(request.categories);
  whole.views.emplace_back();
  if (ask.tile.side != 0 && !ask.stop.stop_requested()) {
    if (request.images.size() != 1) fail_usage("tile: expected one picture, found ", request.images.size());
    ImageSource& source = request.images[0];
    if (std::holds_alternative<EncodedImage>(source))
      fail_usage("tile: expected a file or pixels, found a picture that is encoded already");
    if (const auto* path = std::get_if<std::string>(&source)) source = load_image(*path, request.load);
    const ImageView image = detail::view_of(source);
    require_pixels(image, "picture");
    whole.views[0] = {0, 0, image.width, image.height};
    const std::vector<Rect> tiles = tiles_of(image.width, image.height, ask.tile);
    whole.views.insert(whole.views.end(), tiles.begin(), tiles.end());
  }
  whole.outcomes.resize(whole.parts());
}

LA_INLINE Request Parts::request_of(Whole& whole, std::size_t part) const {
  if (whole.parts() == 1) return std::move(whole.request);
  Request request;
  const std::size_t view = part / whole.groups.size();
  if (view == 0)
    request.images = whole.request.images;
  else
    request.images.emplace_back(crop(detail::view_of(whole.request.images[0]), whole.views[view]));
  const std::vector<std::string>& group = whole.groups[part % whole.groups.size()];
  request.question = group.empty() ? whole.request.question : detect_question(group);
  request.options = whole.request.options;
  request.options.on_item = {};    // items are known when all parts are
  request.options.on_tokens = {};  // texts of parts would mix
  request.load = whole.request.load;
  request.max_side = whole.request.max_side;
  return request;
}

LA_INLINE void Parts::found(i64 part, const Item& item) const {
  const Running& running = running_.at(part);
  if (running.whole->parts() == 1 && options_.on_item) options_.on_item(running.whole->index, item);
}

LA_INLINE void Parts::ended(i64 part, Sequence::Outcome&& outcome) {
  const auto node = running_.extract(part);
  Whole& whole = *node.mapped().whole;
  if (whole.parts() == 1) return sink_(whole.index, std::move(outcome));
  whole.outcomes[node.mapped().part] = std::move(outcome);
  if (++whole.ended == whole.parts()) sink_(whole.index, join(whole));
}

LA_INLINE Sequence::Outcome Parts::join(Whole& whole) const {
  Sequence::Outcome all;
  all.result.query = whole.request.question.text();
  for (const Sequence::Outcome& outcome : whole.outcomes)
    if (outcome.failure) return {std::move(all.result), outcome.failure};
  all.result.width = whole.outcomes[0].result.width;
  all.result.height = whole.outcomes[0].result.height;
  whole.views[0] = {0, 0, all.result.width, all.result.height};
  std::vector<PartAnswer> answers;
  for (std::size_t i = 0; i < whole.outcomes.size(); ++i) {
    Result& part = whole.outcomes[i].result;
    detail::add_counts(all.result, part);
    all.result.stop = detail::graver(all.result.stop, part.stop);
    for (const std::string& warning : part.warnings)
      all.result.warnings.push_back(
          detail::concat("part ", i + 1, " of ", whole.outcomes.size(), ": ", warning));
    answers.push_back(
        {whole.views[i / whole.groups.size()], whole.groups[i % whole.groups.size()], std::move(part.items)});
  }
  all.result.items = join_items(answers, all.result.warnings);
  for (const Item& item : all.result.items) {
    if (whole.request.options.on_item) whole.request.options.on_item(item);
    if (options_.on_item) options_.on_item(whole.index, item);
  }
  return all;
}

}  // namespace la::inline LA_ABI
