#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "../coco_requests.hpp"
#include "answer_reader.hpp"

// The numbers that COCO knows pictures and categories by.
namespace la::cli {

/// Numbers for names, no number for two of them.
class CocoNumbers {
 public:
  /// `what`: "image_id" or "category_id", for messages
  explicit CocoNumbers(const char* what) : what_(what) {}

  /// error: the name has another number, or the number another name
  void set(const std::string& name, i64 number, i64 line) {
    const auto [own, fresh] = numbers_.try_emplace(name, number);
    require(own->second == number, "--format coco: line ", line, ": ", what_, " ", number, " for ", name,
            ", which was ", own->second, " before");
    if (!fresh) return;
    const auto [other, free] = names_.try_emplace(number, name);
    require(free, "--format coco: line ", line, ": ", what_, " ", number, " for ", name, ", which ",
            other->second, " has already");
  }

  /// Numbers those without one: by `own` where it gives each of them one that is free, else from 1 by sorted name.
  void number(const std::set<std::string>& names, const std::map<std::string, std::optional<i64>>& own) {
    std::set<std::string> rest;
    for (const std::string& name : names)
      if (!numbers_.count(name)) rest.insert(name);
    std::set<i64> wanted;
    bool fits = true;
    for (const std::string& name : rest) {
      const auto found = own.find(name);
      fits = fits && found != own.end() && found->second && !names_.count(*found->second) &&
             wanted.insert(*found->second).second;
    }
    i64 next = 1;
    for (const std::string& name : rest) {
      while (!fits && names_.count(next)) ++next;
      set(name, fits ? *own.at(name) : next, 0);
    }
  }

  std::optional<i64> find(const std::string& name) const {
    const auto found = numbers_.find(name);
    if (found == numbers_.end()) return std::nullopt;
    return found->second;
  }
  const std::map<std::string, i64>& all() const noexcept { return numbers_; }

 private:
  const char* what_;
  std::map<std::string, i64> numbers_;
  std::map<i64, std::string> names_;
};

/// The number at the end of a file's name: 42 of "COCO_val2014_000000000042.jpg".
inline std::optional<i64> number_in_name(const std::string& image) {
  const std::string stem = std::filesystem::path(image).stem().string();
  const std::size_t last = stem.find_last_not_of("0123456789");
  const std::string digits = last == stem.npos ? stem : stem.substr(last + 1);
  if (digits.empty() || digits.size() > 18) return std::nullopt;
  if (last != stem.npos && stem[last] != '_') return std::nullopt;
  return std::stoll(digits);
}

/// The numbers of a file of answers. Of a picture: `image_id` of its line; else `id`, else the number in its name, where
/// each picture without an image_id has one of its own; else its place by sorted name. Of a category: the annotation
/// file's; else `category_ids` {name: number} or `category_id` of the line; else its place by sorted name.
struct CocoIds {
  CocoNumbers images{"image_id"}, categories{"category_id"};
  bool fixed_categories = false;  ///< labels without a number are left out

  /// The category of an item; nothing when the annotation file has none of this name.
  std::optional<i64> category(const AnsweredLine& line, const std::string& label) const {
    if (const auto own = line.integer("category_id")) return own;
    return categories.find(label);
  }

  /// error: two pictures or two categories of one number
  static CocoIds read(const std::string& answers, const std::string& annotations) {
    CocoIds ids;
    if (!annotations.empty()) {
      for (const auto& category : CocoAnnotations::open(annotations).categories)
        ids.categories.set(category.name, category.id, 0);
      ids.fixed_categories = true;
    }
    std::set<std::string> images, labels;
    std::map<std::string, std::optional<i64>> by_id, by_name;
    for_each_answer(answers, [&](const AnsweredLine& line) {
      if (!line.ok()) return;
      images.insert(line.image);
      if (const auto number = line.integer("image_id")) ids.images.set(line.image, *number, line.number);
      const auto [entry, first] = by_id.try_emplace(line.image, line.integer("id"));
      if (!first && entry->second != line.integer("id")) entry->second = std::nullopt;
      by_name[line.image] = number_in_name(line.image);
      if (!ids.fixed_categories) ids.read_categories(line, labels);
    });
    bool all_ids = true;
    for (const std::string& image : images) all_ids = all_ids && (ids.images.find(image) || by_id[image]);
    ids.images.number(images, all_ids ? by_id : by_name);
    if (!ids.fixed_categories) ids.categories.number(labels, {});
    return ids;
  }

 private:
  void read_categories(const AnsweredLine& line, std::set<std::string>& labels) {
    simdjson::dom::object own;
    if (line.object.at_key("category_ids").get(own) == simdjson::SUCCESS)
      for (const auto& [name, number] : own) {
        std::int64_t value = 0;
        require(number.get(value) == simdjson::SUCCESS, "--format coco: line ", line.number,
                ": category_ids: expected numbers, found ", simdjson::minify(number));
        categories.set(std::string(name), value, line.number);
      }
    if (const auto number = line.integer("category_id")) {
      if (!line.asked.empty()) categories.set(line.asked, *number, line.number);
      return;
    }
    for (const AnsweredItem& item : line.items) labels.insert(item.label);
  }
};

}  // namespace la::cli
