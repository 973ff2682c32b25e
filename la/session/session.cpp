#include "session.hpp"

#include <map>
#include <new>

#include "../core/error.hpp"
#include "../io/hub.hpp"
#include "../ops/cuda/driver.hpp"
#include "parts.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// The message, never empty: an empty one would look like success.
inline void describe_failure(const std::exception_ptr& failure, Result& result) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    result.error = error.what();
    result.error_kind = error.kind();
  } catch (const cuda::OutOfDeviceMemory& error) {
    result.error = error.what();
  } catch (const std::bad_alloc&) {
    result.error = "out of memory";
  } catch (const std::exception& error) {
    result.error = error.what();
  } catch (...) {
  }
  if (result.error.empty()) result.error = "failed";
}

inline void run_requests(Engine& engine, const LiveSource& source, const BatchOptions& options,
                         const Scheduler::Sink& sink) {
  Parts parts(source, options, sink);
  BatchOptions of_parts = options;
  if (options.on_item) of_parts.on_item = [&](i64 part, const Item& item) { parts.found(part, item); };
  Scheduler(engine, of_parts)
      .run([&](Wait wait) { return parts.next(wait); },
           [&](i64 part, Sequence::Outcome&& outcome) { parts.ended(part, std::move(outcome)); });
}

/// One that has all its requests, or gets them without waiting.
inline LiveSource live(const RequestSource& source) {
  return [&source](Wait) -> NextRequest {
    if (std::optional<Request> request = source()) return std::move(*request);
    return Absent::for_good;
  };
}

}  // namespace detail

LA_INLINE Session::Session(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
LA_INLINE Session::Session(Session&&) noexcept = default;
LA_INLINE Session& Session::operator=(Session&&) noexcept = default;
LA_INLINE Session::~Session() = default;

LA_INLINE Session Session::open(const std::string& directory_or_id, const SessionOptions& options) {
  return Session(std::make_unique<Engine>(model_directory(directory_or_id), options));
}

LA_INLINE Session Session::open(const Checkpoint& checkpoint, const SessionOptions& options) {
  return Session(std::make_unique<Engine>(checkpoint.source(), options));
}

LA_INLINE Engine& Session::engine() const {
  if (!engine_) fail_usage("session: expected an open one, found one that was moved from");
  return *engine_;
}

LA_INLINE EncodedImage Session::encode(const ImageView& image, i64 max_side, const StopToken& stop) {
  Engine& engine = this->engine();
  try {
    return engine.encode(image, max_side, true, interrupt_of(stop));
  } catch (const Interrupted&) {
    throw Error("picture: its encoding was stopped", ErrorKind::cancelled);
  }
}

LA_INLINE Result Session::ground(const EncodedImage& image, std::string_view phrase,
                                 const AskOptions& options) {
  return ask(image, question(Task::ground_single, phrase), options);
}

LA_INLINE Result Session::detect(const EncodedImage& image, std::string_view categories,
                                 const AskOptions& options) {
  Request request;
  request.images = {image};
  request.categories = category_names(categories, ",");
  request.options = options;
  return ask(std::move(request));
}

LA_INLINE Result Session::point(const EncodedImage& image, std::string_view phrase,
                                const AskOptions& options) {
  return ask(image, question(Task::point, phrase), options);
}

LA_INLINE Result Session::ask(std::span<const EncodedImage> images, const PromptText& question,
                              const AskOptions& options) {
  Request request;
  request.images.assign(images.begin(), images.end());
  request.question = question;
  request.options = options;
  return ask(std::move(request));
}

LA_INLINE Result Session::ask(Request only) {
  const AskOptions& ask = only.options;
  const bool parts = ask.tile.side != 0 || (ask.categories_per_question > 0 &&
                                            i64(only.categories.size()) > ask.categories_per_question);
  BatchOptions options;
  if (!parts) options.batch_size = 1;
  std::optional<Request> request(std::move(only));
  Sequence::Outcome outcome;
  const RequestSource once = [&] { return std::exchange(request, std::nullopt); };
  detail::run_requests(engine(), detail::live(once), options,
                       [&](i64, Sequence::Outcome&& answer) { outcome = std::move(answer); });
  if (outcome.failure) std::rethrow_exception(outcome.failure);
  return std::move(outcome.result);
}

LA_INLINE std::vector<Result> Session::batch(std::span<const Request> requests, const BatchOptions& options) {
  std::vector<Result> results(requests.size());
  std::size_t next = 0;
  BatchOptions collect = options;
  collect.on_result = [&](i64 index, const Result& result) {
    results[std::size_t(index)] = result;
    if (options.on_result) options.on_result(index, result);
  };
  const auto source = [&] { return next < requests.size() ? std::optional(requests[next++]) : std::nullopt; };
  batch(source, collect);
  return results;
}

LA_INLINE void Session::batch(const RequestSource& source, const BatchOptions& options) {
  if (options.batch_size < 1) fail_usage("batch_size: expected 1 or more, found ", options.batch_size);
  detail::run_requests(engine(), detail::live(source), options, [&](i64 index, Sequence::Outcome&& outcome) {
    if (outcome.failure) detail::describe_failure(outcome.failure, outcome.result);
    if (options.on_result) options.on_result(index, outcome.result);
  });
}

LA_INLINE void Session::answer(LiveQueue& queue, const BatchOptions& options) {
  if (options.batch_size < 1) fail_usage("batch_size: expected 1 or more, found ", options.batch_size);
  BatchOptions rows = options;
  rows.on_item = {};
  std::map<i64, LiveQueue::OnResult> asked;
  i64 taken = 0;
  const LiveSource source = [&](Wait wait) -> NextRequest {
    std::variant<LiveQueue::Entry, Absent> next = queue.take(wait);
    if (const auto* absent = std::get_if<Absent>(&next)) return *absent;
    auto& entry = std::get<LiveQueue::Entry>(next);
    asked.emplace(taken++, std::move(entry.on_result));
    return std::move(entry.request);
  };
  detail::run_requests(engine(), source, rows, [&](i64 index, Sequence::Outcome&& outcome) {
    if (outcome.failure) detail::describe_failure(outcome.failure, outcome.result);
    const auto node = asked.extract(index);
    node.mapped()(std::move(outcome.result));
  });
}

LA_INLINE Statistics Session::statistics() const {
  return engine().totals();
}
LA_INLINE const ModelConfig& Session::config() const {
  return engine().config;
}
LA_INLINE const Tokenizer& Session::tokenizer() const {
  return engine().tokenizer;
}
LA_INLINE Ops& Session::ops() {
  return *engine().ops;
}
LA_INLINE std::string_view Session::weight_format() const {
  return engine().weights.language.layers[0].qkv->format();
}
LA_INLINE std::string_view Session::activation_format() const {
  const std::string_view weights = weight_format();
  return (weights == "q8" || weights == "q4") && engine().activations != ActivationFormat::f32 ? "q8" : "f32";
}
LA_INLINE std::size_t Session::weight_bytes() const {
  return engine().weights.bytes;
}
LA_INLINE const std::vector<std::string>& Session::warnings() const {
  return engine().weights.warnings;
}

}  // namespace la::inline LA_ABI
