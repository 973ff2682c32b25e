#pragma once

#include <simdjson.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "la/core/pending_file.hpp"
#include "la/la.hpp"

// Answers as COCO results.
namespace la::cli {

namespace coco {

/// Numbers for names, from 1 in the order they come.
class Numbers {
 public:
  i64 of(const std::string& name) {
    return numbers_.try_emplace(name, i64(numbers_.size()) + 1).first->second;
  }

 private:
  std::map<std::string, i64> numbers_;
};

/// The request's own "image_id"; else the number that the file is named by, as COCO's are; else its place.
inline std::string image_id(simdjson::dom::object answer, Numbers& places) {
  simdjson::dom::element own;
  if (answer.at_key("image_id").get(own) == simdjson::SUCCESS) return simdjson::minify(own);
  std::string_view path;
  if (answer.at_key("image").get(path) != simdjson::SUCCESS) path = "";
  const std::string stem = std::filesystem::path(std::string(path)).stem().string();
  if (!stem.empty() && stem.size() < 18 && stem.find_first_not_of("0123456789") == stem.npos)
    return std::to_string(std::stoll(stem));
  return std::to_string(places.of(std::string(path)));
}

/// The request's own "category_id"; else the place of the label among all labels.
inline std::string category_id(simdjson::dom::object answer, const std::string& label, Numbers& places) {
  simdjson::dom::element own;
  if (answer.at_key("category_id").get(own) == simdjson::SUCCESS) return simdjson::minify(own);
  return std::to_string(places.of(label));
}

}  // namespace coco

/// Turns the file of answers into a COCO results file: `image_id`, `category_id`, `bbox` [x, y, width, height] and
/// `score` of each box, and its label as `category_name`. The file appears whole or not at all.
/// error: it cannot be written
inline void write_coco(const std::string& answers_path, const std::string& path) {
  std::ifstream answers(answers_path);
  PendingFile file(path);
  simdjson::dom::parser parser;
  coco::Numbers images, categories;
  const char* separator = "[\n";
  for (std::string text; std::getline(answers, text);) {
    simdjson::dom::object answer;
    simdjson::dom::array items;
    if (parser.parse(text).get(answer) != simdjson::SUCCESS) continue;
    const std::string image = coco::image_id(answer, images);
    if (answer.at_key("items").get(items) != simdjson::SUCCESS) continue;
    for (simdjson::dom::element item : items) {
      simdjson::dom::array box;
      if (item["box"].get(box) != simdjson::SUCCESS) continue;
      double corner[4];
      std::size_t n = 0;
      for (simdjson::dom::element value : box)
        if (n < 4) corner[n++] = double(value);
      const std::string_view name = item["label"];
      const std::string label(name);
      std::ostringstream out;
      out << std::exchange(separator, ",\n") << "{\"image_id\":" << image
          << ",\"category_id\":" << coco::category_id(answer, label, categories)
          << ",\"category_name\":" << json_quote(label) << ",\"bbox\":[" << json_number(float(corner[0]))
          << "," << json_number(float(corner[1])) << "," << json_number(float(corner[2] - corner[0])) << ","
          << json_number(float(corner[3] - corner[1]))
          << "],\"score\":" << simdjson::minify(item["score"].value()) << "}";
      file.write(out.str().data(), out.str().size());
    }
  }
  const std::string_view end = *separator == '[' ? "[]\n" : "\n]\n";
  file.write(end.data(), end.size());
  file.finish();
}

}  // namespace la::cli
