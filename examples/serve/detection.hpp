#pragma once

#include <httplib.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../cli/report.hpp"
#include "ground_request.hpp"
#include "refusal.hpp"

// What LocalAI's and DeepStack's clients send and expect. Neither has a field for what to look for: it comes from
// --categories, or from fields of ours.
namespace la::cli {

struct DetectionRequest {
  SentImages::Pointer image;
  std::vector<std::string> categories;
  float min_score = 0;
};

inline std::vector<std::string> sought(std::string_view asked, const std::string& by_default,
                                       std::string_view field) {
  const std::string names(asked.empty() ? by_default : asked);
  if (names.empty()) fail_usage(field, ": expected categories with commas, or a server with --categories");
  return category_names(detect_categories(names));
}

inline float threshold_of(const std::string& text, std::string_view name) {
  return Flags::parse_number<float>(std::string(name), text, 0, 1);
}

/// `{"model":..., "image": base64 or a data: URI, "prompt": "cat, dog", "threshold": 0.5}`
/// error: (usage) a member that cannot be honoured
inline DetectionRequest read_localai_request(std::string_view body, const std::string& by_default,
                                             SentImages& images) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  const simdjson::padded_string padded(body);
  const auto parsed = parser.parse(padded);
  if (parsed.error() != simdjson::SUCCESS || parsed.get(object) != simdjson::SUCCESS)
    fail_usage("expected a JSON object");
  DetectionRequest asked;
  asked.min_score = 0.5f;
  std::string_view image, prompt;
  for (const auto& [name, value] : object) {
    if (name == "image" || name == "prompt") {
      if (value.get(name == "image" ? image : prompt) != simdjson::SUCCESS)
        fail_usage(name, ": expected a string");
    } else if (name == "threshold") {
      const std::string number = simdjson::minify(value);
      if (number != "null") asked.min_score = threshold_of(number, name);
    } else if (name == "points" || name == "boxes") {
      simdjson::dom::array list;
      if (!value.is_null() && (value.get(list) != simdjson::SUCCESS || list.size() > 0))
        fail_usage(name, ": expected none; this model finds by words alone");
    } else if (name != "model") {
      fail_usage(name, ": expected model, image, prompt or threshold");
    }
  }
  if (image.empty()) fail_usage("image: expected base64 or a data: URI");
  std::string bytes;
  if (is_data_uri(image) || image.find(':') != image.npos) {
    bytes = sent_bytes(image);
  } else {
    try {
      bytes = decode_base64(image);
    } catch (const Error& error) {
      fail_usage("image: ", error.what());
    }
  }
  asked.categories = sought(prompt, by_default, "prompt");
  asked.image = images.decode(bytes);
  return asked;
}

/// The text of a form's part; empty when there is none.
inline std::string_view field_of(const std::vector<FormPart>& parts, std::string_view name) {
  for (const FormPart& part : parts)
    if (part.name == name) return part.content;
  return {};
}

/// A form: the file `image`, and if it likes `min_confidence` and, not of DeepStack, `categories`.
/// error: (usage) anything else
inline DetectionRequest read_deepstack_request(const std::vector<FormPart>& parts,
                                               const std::string& by_default, SentImages& images) {
  DetectionRequest asked;
  const std::string confidence(field_of(parts, "min_confidence"));
  asked.min_score = confidence.empty() ? 0.4f : threshold_of(confidence, "min_confidence");
  asked.categories = sought(field_of(parts, "categories"), by_default, "categories");
  asked.image = images.decode(image_part(parts));
  return asked;
}

/// Boxes alone, the best first: Frigate stops reading at the first that is too bad for it.
inline std::vector<Item> best_first(const Result& result) {
  std::vector<Item> boxes;
  for (const Item& item : result.items)
    if (item.kind == Item::Kind::box) boxes.push_back(item);
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const Item& a, const Item& b) { return a.score > b.score; });
  return boxes;
}

inline std::string localai_json(const Result& result) {
  std::string out = "{\"detections\":[";
  bool first = true;
  for (const Item& item : best_first(result)) {
    const auto& [x1, y1, x2, y2] = item.box;
    out += std::string(std::exchange(first, false) ? "" : ",") + "{\"x\":" + json_number(x1) +
           ",\"y\":" + json_number(y1) + ",\"width\":" + json_number(x2 - x1) +
           ",\"height\":" + json_number(y2 - y1) + ",\"class_name\":" + json_quote(item.label) +
           ",\"confidence\":" + json_number(item.score) + "}";
  }
  return out + "]}";
}

/// Whole pixels inside the picture, as DeepStack's are.
inline std::string deepstack_json(const Result& result, double seconds) {
  std::string out = "{\"success\":true,\"predictions\":[";
  bool first = true;
  for (const Item& item : best_first(result)) {
    const auto pixel = [&](float at, i64 side) {
      return std::to_string(std::clamp<i64>(i64(std::lround(at)), 0, side));
    };
    out +=
        std::string(std::exchange(first, false) ? "" : ",") + "{\"confidence\":" + json_number(item.score) +
        ",\"label\":" + json_quote(item.label) + ",\"y_min\":" + pixel(item.box[1], result.height) +
        ",\"x_min\":" + pixel(item.box[0], result.width) + ",\"y_max\":" + pixel(item.box[3], result.height) +
        ",\"x_max\":" + pixel(item.box[2], result.width) + "}";
  }
  return out + "],\"duration\":" + json_number(seconds) + "}";
}

}  // namespace la::cli
