// Bodies that clients post to the server. The first byte says where to; of a form its Content-Type is the first line.
#include "examples/serve/chat.hpp"
#include "examples/serve/detection.hpp"
#include "fuzz.hpp"

namespace {

using namespace la;

constexpr i64 kMaxPixels = 4096;

/// So small that pictures make way for one another.
cli::SentImages& images() {
  static cli::SentImages images(kMaxPixels, 40'000);
  return images;
}

void read_ground(std::string_view content_type, std::string_view body) {
  httplib::Request request;
  request.body = body;
  request.params = {{"phrase", std::string(body.substr(0, 20))}, {"task", "point"}};
  const cli::GroundRequest asked = cli::read_ground_request(request, content_type, {}, images());
  fuzz::require_that(asked.image->width > 0 && asked.image->width * asked.image->height <= kMaxPixels,
                     "a request has a picture of at most so many pixels");
}

void read_chat(std::string_view body) {
  static simdjson::dom::parser parser;
  try {
    const cli::ChatRequest asked = cli::read_chat_request(body, {}, "shapes", images());
    fuzz::require_that(!asked.images.empty(), "a chat has a picture");
  } catch (const cli::Refusal& refusal) {
    fuzz::require_that(refusal.status >= 400 && refusal.status < 500, "the client is at fault");
    const std::string json = cli::error_json(cli::Dialect::openai, refusal);
    fuzz::require_that(parser.parse(json).error() == simdjson::SUCCESS, "a refusal is JSON");
  }
}

void read_form(std::uint8_t where, std::string_view text) {
  const std::string_view content_type = text.substr(0, text.find('\n'));
  const std::string_view body = text.substr(std::min(content_type.size() + 1, text.size()));
  if (where % 2 == 0) return read_ground("multipart/form-data" + std::string(content_type), body);
  const std::vector<cli::FormPart> parts = cli::read_form(content_type, body);
  for (const cli::FormPart& part : parts)
    fuzz::require_that(
        part.content.empty() || (part.content.data() >= body.data() &&
                                 part.content.data() + part.content.size() <= body.data() + body.size()),
        "a part lies in the body");
  cli::read_deepstack_request(parts, "cat, dog", images());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t where = input.byte();
  fuzz::accepted([&] {
    switch (where % 6) {
      case 0:
        return read_ground("application/json", input.rest());
      case 1:
        return read_ground("image/png", input.rest());
      case 2:
        return read_chat(input.rest());
      case 3:
        return void(cli::read_localai_request(input.rest(), "", images()));
      default:
        return read_form(where, input.rest());
    }
  });
  return 0;
}
