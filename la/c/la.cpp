#include "la.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../image/load.hpp"
#include "../io/hub.hpp"
#include "../session/memory.hpp"
#include "../session/session.hpp"
#include "../version.hpp"

struct la_session {
  std::shared_ptr<la::Session> session;
};

struct la_image {
  std::shared_ptr<la::Session> session;  // its backend holds the rows
  la::EncodedImage encoded;
};

struct la_answer {
  la::Result result;
};

struct la_stop {
  la::StopSource source;
};

namespace {

using la::fail;
using la::fail_usage;
using la::i64;

// Of fixed size: what tells that there is no memory needs none.
thread_local char last_error[4096] = "";

la_status failed(la_status status, const char* message) noexcept {
  std::snprintf(last_error, sizeof last_error, "%s", message);
  return status;
}

/// Runs one entry of the library; whatever it throws becomes a status and a message.
template <class Body>
la_status guarded(const Body& body) noexcept {
  try {
    body();
    return LA_OK;
  } catch (const la::Error& error) {
    return failed(error.kind() == la::ErrorKind::usage ? LA_USAGE : LA_FAILED, error.what());
  } catch (const std::bad_alloc&) {
    return failed(LA_NO_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return failed(LA_FAILED, error.what());
  } catch (...) {
    return failed(LA_FAILED, "failed");
  }
}

/// error: (usage) a null pointer; `name` is that of the argument
template <class T>
T& given(T* pointer, const char* name) {
  if (!pointer) fail_usage(name, ": expected a pointer, found NULL");
  return *pointer;
}

/// Where a new handle goes; NULL until there is one.
template <class Handle>
Handle*& cleared(Handle** pointer, const char* name) {
  Handle*& handle = given(pointer, name);
  handle = nullptr;
  return handle;
}

/// The struct of a caller who may know fewer fields than this library, or more; NULL is all defaults.
/// error: (usage) no size, or something else than 0 in a field that this library does not know
template <class Options>
Options known_fields(const Options* options, const char* name) {
  Options known{};
  if (!options) return known;
  const std::size_t size = options->size;
  if (size < sizeof size) fail_usage(name, ".size: expected sizeof(", name, "), found ", size);
  std::memcpy(&known, options, std::min(size, sizeof known));
  const char* const bytes = reinterpret_cast<const char*>(options);
  for (std::size_t i = sizeof known; i < size; ++i)
    if (bytes[i] != 0)
      fail_usage(name, ": expected 0 in what la ", LA_VERSION, " does not know, found a value ", i,
                 " bytes from its begin");
  return known;
}

/// error: more than options.max_memory is estimated
void check_memory(const std::string& directory, const la::SessionOptions& options, std::uint64_t most) {
  const la::ModelConfig config = la::ModelConfig::load(directory);
  la::MemoryPlan plan;
  plan.weights = options.weights;
  plan.threads = options.threads;
  plan.width = plan.height =
      i64(std::sqrt(double(config.processor.in_token_limit))) * config.processor.patch_size;
  const std::size_t total = la::estimate_memory(la::Checkpoint::open(directory), config, plan).total();
  if (total > most)
    fail("la_open_options.max_memory: expected at most ", most, " bytes, found ", directory,
         ", which is estimated to take ", total, " with a picture of ", plan.width, "x", plan.height);
}

std::shared_ptr<la::Session> open_session(const std::string& directory_or_id,
                                          const la_open_options& requested) {
  la::SessionOptions options;
  if (requested.threads < 0 || requested.threads > std::numeric_limits<int>::max())
    fail_usage("la_open_options.threads: expected 0 or more, found ", requested.threads);
  options.threads = int(requested.threads);
  if (requested.isa) options.isa = requested.isa;
  if (requested.weights) options.weights = la::parse_weight_format(requested.weights);
  if (requested.max_memory > 0)
    check_memory(la::model_directory(directory_or_id), options, requested.max_memory);
  return std::make_shared<la::Session>(la::Session::open(directory_or_id, options));
}

la_image* encode(const la_session& session, const la::Image& image) {
  return new la_image{session.session, session.session->encode(image)};
}

la::Mode parse_mode(const char* name) {
  const std::string_view mode = name ? name : "hybrid";
  if (mode == "hybrid") return la::Mode::hybrid;
  if (mode == "fast") return la::Mode::fast;
  if (mode == "slow") return la::Mode::slow;
  fail_usage("la_ask_options.mode: expected hybrid, fast or slow, found '", mode, "'");
}

la::AskOptions ask_options(const la_ask_options* options) {
  const la_ask_options requested = known_fields(options, "la_ask_options");
  la::AskOptions ask;
  ask.generation.mode = parse_mode(requested.mode);
  if (requested.max_tokens != 0) ask.generation.max_new_tokens = requested.max_tokens;
  ask.generation.sampling.temperature = requested.temperature;
  ask.generation.sampling.seed = requested.seed;
  ask.min_score = requested.min_score;
  if (requested.stop) ask.stop = requested.stop->source.get_token();
  return ask;
}

la::Request make_request(const la_session& session, const la_image* image, const char* task,
                         const char* phrase, const la_ask_options* options) {
  if (given(image, "image").session != session.session)
    fail_usage("image: expected one that this session encoded, found another's");
  la::Request request;
  request.images = {image->encoded};
  request.options = ask_options(options);
  if (!task) {
    request.question = la::PromptText(&given(phrase, "phrase"));
    return request;
  }
  const la::Task what = la::parse_task(task);
  if (what == la::Task::detect_text) {
    if (phrase) fail_usage("phrase: expected NULL for detect-text, found '", phrase, "'");
    request.question = la::question(what, "");
  } else if (what == la::Task::detect) {
    request.categories = la::category_names(&given(phrase, "phrase"), ",");
  } else {
    request.question = la::question(what, &given(phrase, "phrase"));
  }
  return request;
}

int32_t kind_of(la::Item::Kind kind) noexcept {
  switch (kind) {
    case la::Item::Kind::box:
      return LA_BOX;
    case la::Item::Kind::point:
      return LA_POINT;
    case la::Item::Kind::none:
      break;
  }
  return LA_NONE;
}

}  // namespace

const char* la_version(void) {
  return LA_VERSION;
}

const char* la_last_error(void) {
  return last_error;
}

la_status la_open(const char* directory_or_id, const la_open_options* options, la_session** session) {
  return guarded([&] {
    la_session*& handle = cleared(session, "session");
    const char* const name = &given(directory_or_id, "directory_or_id");
    handle = new la_session{open_session(name, known_fields(options, "la_open_options"))};
  });
}

void la_close(la_session* session) {
  delete session;
}

const char* la_session_warning(const la_session* session, size_t index) {
  if (!session || index >= session->session->warnings().size()) return nullptr;
  return session->session->warnings()[index].c_str();
}

la_status la_encode_file(la_session* session, const char* path, la_image** image) {
  return guarded([&] {
    la_image*& handle = cleared(image, "image");
    handle = encode(given(session, "session"), la::load_image(&given(path, "path")));
  });
}

la_status la_encode_bytes(la_session* session, const void* bytes, size_t size, la_image** image) {
  return guarded([&] {
    la_image*& handle = cleared(image, "image");
    const auto* const first = &given(static_cast<const std::byte*>(bytes), "bytes");
    handle = encode(given(session, "session"), la::decode_image({first, size}, "bytes"));
  });
}

la_status la_encode_rgb(la_session* session, const uint8_t* pixels, int64_t width, int64_t height,
                        size_t stride, la_image** image) {
  return guarded([&] {
    la_image*& handle = cleared(image, "image");
    given(session, "session");
    given(pixels, "pixels");
    if (width < 1 || height < 1)
      fail_usage("pixels: expected a width and a height of 1 or more, found ", width, "x", height);
    la::Image copy(width, height);
    const std::size_t row_bytes = std::size_t(width) * 3;
    if (stride < row_bytes)
      fail_usage("stride: expected at least ", row_bytes, " bytes, 3 for each of ", width, " pixels, found ",
                 stride);
    for (i64 y = 0; y < height; ++y) std::memcpy(copy.row(y), pixels + std::size_t(y) * stride, row_bytes);
    handle = encode(*session, copy);
  });
}

int64_t la_image_width(const la_image* image) {
  return image ? image->encoded.width : 0;
}

int64_t la_image_height(const la_image* image) {
  return image ? image->encoded.height : 0;
}

void la_image_free(la_image* image) {
  delete image;
}

la_status la_stop_new(la_stop** stop) {
  return guarded([&] {
    la_stop*& handle = cleared(stop, "stop");
    handle = new la_stop;
  });
}

void la_stop_request(la_stop* stop) {
  if (stop) stop->source.request_stop();
}

void la_stop_free(la_stop* stop) {
  delete stop;
}

la_status la_ask(la_session* session, const la_image* image, const char* task, const char* phrase,
                 const la_ask_options* options, la_answer** answer) {
  return guarded([&] {
    la_answer*& handle = cleared(answer, "answer");
    la::Request request = make_request(given(session, "session"), image, task, phrase, options);
    handle = new la_answer{session->session->ask(std::move(request))};
  });
}

la_status la_batch(la_session* session, const la_request* requests, size_t count, la_answer** answers) {
  return guarded([&] {
    if (count == 0) return;
    given(answers, "answers");
    std::fill_n(answers, count, nullptr);
    given(session, "session");
    const std::size_t size = given(requests, "requests").size;
    std::vector<la::Request> all;
    for (std::size_t i = 0; i < count; ++i) {
      const auto* const place = reinterpret_cast<const char*>(requests) + i * size;
      try {
        const la_request request = known_fields(reinterpret_cast<const la_request*>(place), "la_request");
        if (request.size != size)
          fail_usage("la_request.size: expected ", size, " as in the first, found ", request.size);
        all.push_back(make_request(*session, request.image, request.task, request.phrase, request.options));
      } catch (const la::Error& error) {
        throw la::Error(la::detail::concat("requests[", i, "]: ", error.what()), error.kind());
      }
    }
    std::vector<la::Result> results = session->session->batch(all);
    std::vector<std::unique_ptr<la_answer>> made;
    made.reserve(results.size());  // so that nothing is lost between new and its owner
    for (la::Result& result : results) made.emplace_back(new la_answer{std::move(result)});
    for (std::size_t i = 0; i < count; ++i) answers[i] = made[i].release();
  });
}

size_t la_answer_count(const la_answer* answer) {
  return answer ? answer->result.items.size() : 0;
}

la_status la_answer_item(const la_answer* answer, size_t index, la_item* item) {
  return guarded([&] {
    const std::vector<la::Item>& items = given(answer, "answer").result.items;
    const std::size_t size = given(item, "item").size;
    if (size < sizeof size) fail_usage("la_item.size: expected sizeof(la_item), found ", size);
    if (index >= items.size())
      fail_usage("index: expected one below ", items.size(), ", the items of this answer, found ", index);
    const la::Item& found = items[index];
    la_item filled{};
    filled.size = size;
    filled.label = found.label.c_str();
    filled.kind = kind_of(found.kind);
    std::copy(found.box.begin(), found.box.end(), filled.box);
    std::copy(found.point.begin(), found.point.end(), filled.point);
    filled.score = found.score;
    filled.label_score = found.label_score;
    std::memset(item, 0, size);  // what this library does not know is 0
    std::memcpy(item, &filled, std::min(size, sizeof filled));
  });
}

la_stop_reason la_answer_stop_reason(const la_answer* answer) {
  if (!answer) return LA_EOS;
  switch (answer->result.stop) {
    case la::StopReason::eos:
      break;
    case la::StopReason::max_tokens:
      return LA_MAX_TOKENS;
    case la::StopReason::loop:
      return LA_LOOP;
    case la::StopReason::cancelled:
      return LA_CANCELLED;
  }
  return LA_EOS;
}

const char* la_answer_text(const la_answer* answer) {
  return answer ? answer->result.answer.c_str() : "";
}

la_status la_answer_status(const la_answer* answer) {
  if (!answer) return LA_USAGE;
  if (answer->result.ok()) return LA_OK;
  return answer->result.error_kind == la::ErrorKind::usage ? LA_USAGE : LA_FAILED;
}

const char* la_answer_error(const la_answer* answer) {
  return answer ? answer->result.error.c_str() : "";
}

void la_answer_free(la_answer* answer) {
  delete answer;
}
