#include <emscripten.h>

#include <cstddef>
#include <cstdlib>
#include <map>
#include <new>
#include <optional>
#include <span>
#include <sstream>
#include <string>

#include "examples/cli/report.hpp"
#include "examples/cli/request_lines.hpp"
#include "la/la.hpp"
#include "lasting_memory.hpp"

// la for the worker of a page, engine.js: a checkpoint out of memory, and questions as `serve` takes them.

// clang-format off
EM_JS(void, la_tell_item, (const char* json), { self.tellItem(UTF8ToString(json >>> 0)); });
EM_JS(void, la_tell_loaded, (double share), { self.tellLoaded(share); });
// clang-format on

namespace la::cli {
namespace {

/// The one model of this worker; its files lie where they were put, for good.
struct Engine {
  std::map<std::string, std::span<std::byte>> files;
  std::optional<Session> session;
  LineDefaults defaults;
  std::string model, said;
  double load_seconds = 0;
};

Engine& engine() {
  static Engine one;
  return one;
}

/// What `work` gives, or {"error": "..."}; it stays until the next call.
template <class Work>
const char* answer_of(Work work) {
  std::string& said = engine().said;
  try {
    said = work();
  } catch (const std::bad_alloc&) {
    said = "{\"error\":\"out of memory: 4 GB are all that a page's program can have\"}";
  } catch (const std::exception& error) {
    said = "{\"error\":" + json_quote(error.what()) + "}";
  }
  return said.c_str();
}

std::string open(const std::string& name, const std::string& isa, int threads) {
  Engine& e = engine();
  std::vector<NamedBuffer> buffers;
  for (const auto& [name, bytes] : e.files) buffers.push_back({name, bytes});
  SessionOptions options;
  options.threads = threads;
  options.isa = isa;
  options.progress = la_tell_loaded;
  Stopwatch watch;
  e.session.emplace(Session::open(Checkpoint::from_memory(std::move(buffers)), options));
  e.load_seconds = watch.lap();
  e.model = "{\"name\":" + json_quote(name) + ",\"weights\":" + json_quote(e.session->weight_format()) + "}";
  return "{\"isa\":" + json_quote(e.session->ops().isa()) +
         ",\"weights\":" + json_quote(e.session->weight_format()) + "}";
}

std::string ask(std::span<const std::byte> image_file, const std::string& fields) {
  Engine& e = engine();
  require(e.session.has_value(), "no model is open");
  simdjson::dom::parser parser;
  RequestLine line = read_request(parser, {fields, "", 1}, e.defaults);
  if (!line.error.empty()) fail_usage(line.error);
  for (const std::string& name : line.ignored) fail_usage(name, ": expected a field of a request");
  const EncodedImage image = e.session->encode(decode_image(image_file, "image", line.load), line.max_side);
  Request request;
  request.images.emplace_back(image);
  request.question = line.question;
  request.categories = line.categories;
  request.options = line.ask;
  request.options.on_item = [](const Item& item) { la_tell_item(json_item(item).c_str()); };
  const Result result = e.session->ask(std::move(request));
  if (!result.ok()) throw Error(result.error, result.error_kind);
  const std::string name = "image";
  std::ostringstream out;
  print_json(
      {name, image, *e.session, e.session->ops().isa(), line.ask.generation.mode, e.load_seconds, e.model},
      result, out);
  return out.str();
}

}  // namespace
}  // namespace la::cli

extern "C" {

/// Room for a file of the checkpoint, which the caller fills and which stays; null when there is none.
EMSCRIPTEN_KEEPALIVE std::byte* la_web_file(const char* name, double size) {
  std::byte* bytes = la::cli::lasting_memory(std::size_t(size));
  if (bytes) la::cli::engine().files[name] = {bytes, std::size_t(size)};
  return bytes;
}

/// name: of the model, for answers    isa: as --isa of ground    threads: one, or those that the program was started for.
/// A JSON object, with `error` when it failed.
EMSCRIPTEN_KEEPALIVE const char* la_web_open(const char* name, const char* isa, int threads) {
  return la::cli::answer_of([&] { return la::cli::open(name, isa, threads); });
}

/// fields: a line of `batch`. The object of `ground --json`, or one with `error`; items are told as they are found.
EMSCRIPTEN_KEEPALIVE const char* la_web_ask(const std::byte* image, std::size_t size, const char* fields) {
  return la::cli::answer_of([&] { return la::cli::ask({image, size}, fields); });
}

EMSCRIPTEN_KEEPALIVE double la_web_memory() {
  return double(__builtin_wasm_memory_size(0)) * 65536;
}
}
