#pragma once

#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "la/io/json.hpp"
#include "la/la.hpp"
#include "request_source.hpp"

// A COCO annotation file as requests: each of its pictures is asked for all of its categories.
namespace la::cli {

/// The part of a COCO annotation file that questions need.
struct CocoAnnotations {
  struct Image {
    i64 id;
    std::string file_name;
  };
  struct Category {
    i64 id;
    std::string name;
  };
  std::vector<Image> images;
  std::vector<Category> categories;  ///< in the order of the file

  /// error: the file is missing or no such file; an image or category without id or name; an id that comes twice
  static CocoAnnotations open(const std::string& path) {
    // A file of boxes may be larger than what la reads as configuration.
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    const auto failure = parser.load(path).get(root);
    require(failure == simdjson::SUCCESS, path,
            ": expected a COCO annotation file, found: ", simdjson::error_message(failure));
    const JsonValue file(path, "", root);
    CocoAnnotations all;
    std::set<i64> seen;
    for (const JsonValue& image : file.at("images").array()) {
      all.images.push_back({id_of(image), std::string(image.at("file_name").string())});
      if (!seen.insert(all.images.back().id).second)
        fail(image.where(), ": expected an id of its own, found ", all.images.back().id, " again");
    }
    seen.clear();
    std::set<std::string> names;
    for (const JsonValue& category : file.at("categories").array()) {
      all.categories.push_back({id_of(category), std::string(category.at("name").string())});
      if (!seen.insert(all.categories.back().id).second || !names.insert(all.categories.back().name).second)
        fail(category.where(), ": expected an id and a name of its own, found one again");
    }
    return all;
  }

 private:
  static i64 id_of(const JsonValue& value) {
    return value.at("id").integer(std::numeric_limits<i64>::min(), std::numeric_limits<i64>::max());
  }
};

class CocoRequests : public RequestSource {
 public:
  /// Pictures are looked for in `folder`. `asks`: the flags ask a question, in place of all categories.
  CocoRequests(CocoAnnotations annotations, std::filesystem::path folder, bool asks)
      : annotations_(std::move(annotations)), folder_(std::move(folder)) {
    if (asks) return;
    require(!annotations_.categories.empty(), "--coco-annotations: expected categories, found none");
    question_ = ",\"task\":\"detect\",\"categories\":[";
    for (const CocoAnnotations::Category& category : annotations_.categories)
      question_ += (question_.back() == '[' ? "" : ",") + json_quote(category.name);
    question_ += "]";
  }

  std::optional<RequestText> next() override {
    if (next_ >= annotations_.images.size()) return std::nullopt;
    const CocoAnnotations::Image& image = annotations_.images[next_++];
    return RequestText{"{\"image\":" + json_quote((folder_ / image.file_name).string()) +
                           ",\"image_id\":" + std::to_string(image.id) + question_ + "}",
                       {},
                       i64(next_)};
  }

 private:
  CocoAnnotations annotations_;
  std::filesystem::path folder_;
  std::string question_;
  std::size_t next_ = 0;
};

}  // namespace la::cli
