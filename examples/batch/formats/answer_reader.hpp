#pragma once

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "la/core/decimal.hpp"
#include "la/core/pending_file.hpp"
#include "la/la.hpp"

// Files of answers, read again to be written in other formats.
namespace la::cli {

struct AnsweredItem {
  std::string label;
  bool is_box = false;         ///< else a point
  std::array<double, 4> at{};  ///< x1 y1 x2 y2, or x y, in pixels
  double score = 0;
};

/// One line of answers; items without a place are left out.
struct AnsweredLine {
  i64 number = 0;  ///< from 1
  simdjson::dom::object object;
  std::string image, error, asked;
  i64 width = 0, height = 0;
  std::vector<AnsweredItem> items;

  bool ok() const noexcept { return error.empty(); }
  std::string text(const char* name) const {
    simdjson::dom::element value;
    if (object.at_key(name).get(value) != simdjson::SUCCESS) return "";
    std::string_view text;
    return value.get(text) == simdjson::SUCCESS ? std::string(text) : std::string(simdjson::minify(value));
  }
  std::optional<i64> integer(const char* name) const {
    std::int64_t value = 0;
    if (object.at_key(name).get(value) != simdjson::SUCCESS) return std::nullopt;
    return value;
  }
};

namespace detail {

inline AnsweredItem answered_item(simdjson::dom::element item, simdjson::dom::array place, bool box) {
  AnsweredItem out;
  out.is_box = box;
  std::size_t n = 0;
  for (simdjson::dom::element value : place)
    if (n < 4) out.at[n++] = double(value);
  std::string_view label;
  if (item["label"].get(label) == simdjson::SUCCESS) out.label = label;
  double score = 0;
  if (item["score"].get(score) == simdjson::SUCCESS) out.score = score;
  return out;
}

}  // namespace detail

/// Calls `use` with each answer of the file; what it is given lives until the next.
/// error: the file cannot be read, or a line is no answer
inline void for_each_answer(const std::string& path, const std::function<void(const AnsweredLine&)>& use) {
  std::ifstream file(path);
  require(file.good(), path, ": could not be opened");
  simdjson::dom::parser parser;
  i64 number = 0;
  for (std::string text; std::getline(file, text);) {
    AnsweredLine line;
    line.number = ++number;
    require(parser.parse(text).get(line.object) == simdjson::SUCCESS, path, ": line ", number,
            ": expected an answer");
    line.image = line.text("image");
    line.error = line.text("error");
    simdjson::dom::object stats;
    std::int64_t side = 0;
    if (line.object.at_key("stats").get(stats) == simdjson::SUCCESS) {
      if (stats["width"].get(side) == simdjson::SUCCESS) line.width = side;
      if (stats["height"].get(side) == simdjson::SUCCESS) line.height = side;
    }
    line.asked = line.text("phrase").empty() ? line.text("query") : line.text("phrase");
    simdjson::dom::array items, place;
    if (line.object.at_key("items").get(items) == simdjson::SUCCESS)
      for (simdjson::dom::element item : items) {
        if (item["box"].get(place) == simdjson::SUCCESS)
          line.items.push_back(detail::answered_item(item, place, true));
        else if (item["point"].get(place) == simdjson::SUCCESS)
          line.items.push_back(detail::answered_item(item, place, false));
        else
          continue;
        // A point has no label of its own: it is what was asked for.
        if (line.items.back().label.empty())
          line.items.back().label = line.asked.empty() ? "object" : line.asked;
      }
    use(line);
  }
  require(!file.bad(), path, ": could not be read behind line ", number);
}

/// A picture and all that was answered about it, over all its lines.
struct AnsweredImage {
  std::string image;  ///< as the lines call it
  i64 width = 0, height = 0;
  std::vector<AnsweredItem> items;
  std::string model;  ///< "NAME DIGEST"
};

/// By picture, in the order of their first lines; lines that failed are left out.
inline std::vector<AnsweredImage> answered_images(const std::string& path) {
  std::vector<AnsweredImage> images;
  std::map<std::string, std::size_t> places;
  for_each_answer(path, [&](const AnsweredLine& line) {
    if (!line.ok()) return;
    const auto [place, first] = places.try_emplace(line.image, images.size());
    if (first) images.push_back({line.image, line.width, line.height, {}, ""});
    AnsweredImage& image = images[place->second];
    image.items.insert(image.items.end(), line.items.begin(), line.items.end());
    simdjson::dom::element name, digest;
    if (line.object["model"]["name"].get(name) == simdjson::SUCCESS &&
        line.object["model"]["digest"].get(digest) == simdjson::SUCCESS)
      image.model = std::string(std::string_view(name)) + " " + std::string(std::string_view(digest));
  });
  return images;
}

/// All labels, sorted by name.
inline std::vector<std::string> labels_of(const std::vector<AnsweredImage>& images) {
  std::vector<std::string> labels;
  for (const AnsweredImage& image : images)
    for (const AnsweredItem& item : image.items) labels.push_back(item.label);
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

/// Corners inside the picture, as formats with shares want them.
inline std::array<double, 4> clamped(const AnsweredItem& item, const AnsweredImage& image) {
  return {std::clamp(item.at[0], 0.0, double(image.width)), std::clamp(item.at[1], 0.0, double(image.height)),
          std::clamp(item.at[2], 0.0, double(image.width)),
          std::clamp(item.at[3], 0.0, double(image.height))};
}

/// Text into a file that appears whole or not at all.
class TextFile {
 public:
  explicit TextFile(const std::string& path) : file_(path) {}
  TextFile& operator<<(std::string_view text) {
    file_.write(text.data(), text.size());
    return *this;
  }
  /// error: it cannot be written
  void finish() { file_.finish(); }

 private:
  PendingFile file_;
};

}  // namespace la::cli
