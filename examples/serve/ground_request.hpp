#pragma once

#include <httplib.h>

#include <string>
#include <string_view>
#include <utility>

#include "../cli/request_lines.hpp"
#include "form_data.hpp"
#include "sent_images.hpp"

// What POST /v1/ground may carry.
namespace la::cli {

/// A picture and what is asked about it.
struct GroundRequest {
  RequestLine line;
  SentImages::Pointer image;
};

inline void require_line(const RequestLine& line) {
  if (!line.error.empty()) fail_usage(line.error);
  for (const std::string& name : line.ignored)
    fail_usage(name, ": expected a field of a request, see --help");
}

/// The bytes of a `data:` URI. A path or a web address is never looked at: who asks reads nothing of this machine.
/// error: (usage) anything else
inline std::string sent_bytes(std::string_view address) {
  if (!is_data_uri(address))
    fail_usage("image: expected a data: URI; pictures are not fetched from addresses or paths");
  try {
    return decode_data_uri(address);
  } catch (const Error& error) {
    fail_usage("image: ", error.what());
  }
}

/// The one part of a form that holds the picture.
inline std::string_view image_part(const std::vector<FormPart>& parts) {
  const auto is_image = [](const FormPart& part) { return part.name == "image"; };
  const auto count = std::count_if(parts.begin(), parts.end(), is_image);
  if (count != 1) fail_usage("image: expected one part of this name, found ", count);
  return std::find_if(parts.begin(), parts.end(), is_image)->content;
}

/// Members of a request line, each a text; read_request takes options as they would stand on a command line.
template <class Fields>
std::string json_of_fields(const Fields& fields) {
  std::string json = "{\"image\":\"\"";
  for (const auto& [name, value] : fields)
    if (name != "image") json += "," + json_quote(name) + ":" + json_quote(value);
  return json + "}";
}

/// The body is a JSON object whose "image" is a data: URI; or a form with a file "image"; or the picture itself, then the
/// fields stand in the address.
/// error: (usage) anything else, or a picture that cannot be decoded
inline GroundRequest read_ground_request(const httplib::Request& request, std::string_view content_type,
                                         const LineDefaults& defaults, SentImages& images) {
  simdjson::dom::parser parser;
  GroundRequest asked;
  const auto read = [&](std::string json) {
    asked.line = read_request(parser, {std::move(json), "", 1}, defaults);
    require_line(asked.line);
  };
  const auto decode = [&](std::string_view bytes) { asked.image = images.decode(bytes, asked.line.load); };
  if (is_form(content_type)) {
    const std::vector<FormPart> parts = read_form(content_type, request.body);
    read(json_of_fields(parts));
    decode(image_part(parts));
  } else if (content_type.starts_with("application/json")) {
    std::string json;
    json.reserve(request.body.size() +
                 simdjson::SIMDJSON_PADDING);  // the parser copies what has no room after it
    read(std::move(json.append(request.body)));
    decode(sent_bytes(asked.line.image));
  } else {
    read(json_of_fields(request.params));
    decode(request.body);
  }
  return asked;
}

}  // namespace la::cli
