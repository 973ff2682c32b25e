#pragma once

#include <httplib.h>

#include <string>
#include <utility>

#include "../cli/request_lines.hpp"

// What POST /v1/ground may carry.
namespace la::cli {

/// A picture and what is asked about it.
struct GroundRequest {
  RequestLine line;
  Image image;
};

/// Members of a request line, each a text; read_request takes options as they would stand on a command line.
inline std::string json_of_fields(const httplib::Params& fields) {
  std::string json = "{\"image\":\"\"";
  for (const auto& [name, value] : fields) json += "," + json_quote(name) + ":" + json_quote(value);
  return json + "}";
}

inline void require_line(const RequestLine& line) {
  if (!line.error.empty()) fail_usage(line.error);
  for (const std::string& name : line.ignored)
    fail_usage(name, ": expected a field of a request, see --help");
}

/// The body is a JSON object whose "image" is a data: URI; or a form with a file "image"; or the picture itself, then the
/// fields stand in the address. A path or a web address is never looked at: who asks reads nothing of this machine.
/// error: (usage) anything else, or a picture that cannot be decoded
inline GroundRequest read_ground_request(const httplib::Request& request, const LineDefaults& defaults,
                                         i64 max_pixels) {
  simdjson::dom::parser parser;
  GroundRequest asked;
  std::string bytes;
  const std::string type = request.get_header_value("Content-Type");
  if (request.is_multipart_form_data()) {
    httplib::Params fields;
    for (const auto& [name, part] : request.files)
      if (name != "image") fields.emplace(name, part.content);
    if (request.files.count("image") != 1)
      fail_usage("image: expected one part of this name, found ", request.files.count("image"));
    bytes = request.get_file_value("image").content;
    asked.line = read_request(parser, {json_of_fields(fields), "", 1}, defaults);
    require_line(asked.line);
  } else if (type.starts_with("application/json")) {
    asked.line = read_request(parser, {request.body, "", 1}, defaults);
    require_line(asked.line);
    if (!is_data_uri(asked.line.image))
      fail_usage("image: expected a data: URI; pictures are not fetched from addresses or paths");
    try {
      bytes = decode_data_uri(asked.line.image);
    } catch (const Error& error) {
      fail_usage("image: ", error.what());
    }
  } else {
    bytes = request.body;
    asked.line = read_request(parser, {json_of_fields(request.params), "", 1}, defaults);
    require_line(asked.line);
  }
  LoadOptions load = asked.line.load;
  load.max_pixels = max_pixels;
  try {
    asked.image = decode_image_text(bytes, "image", load);
  } catch (const Error& error) {
    fail_usage(error.what());
  }
  return asked;
}

}  // namespace la::cli
