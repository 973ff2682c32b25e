#pragma once

#include <iostream>
#include <string>
#include <utility>

#include "../batch_flags.hpp"
#include "coco_numbers.hpp"

namespace la::cli {

/// Turns answers into a COCO results file: `image_id`, `category_id`, `bbox` [x, y, width, height] and `score` of each
/// box, and its label as `category_name`. Beside it, in PATH.ids.json, which number stands for which picture and
/// category. Points, which such files do not know, are left out and counted.
/// error: see CocoIds; a file cannot be written
inline void write_coco(const std::string& answers, const std::string& path, const std::string& annotations) {
  const CocoIds ids = CocoIds::read(answers, annotations);
  TextFile file(path);
  i64 points = 0, unknown = 0;
  const char* separator = "[\n";
  for_each_answer(answers, [&](const AnsweredLine& line) {
    if (!line.ok()) return;
    for (const AnsweredItem& item : line.items) {
      const auto category = ids.category(line, item.label);
      points += !item.is_box;
      unknown += item.is_box && !category;
      if (!item.is_box || !category) continue;
      const auto& [x1, y1, x2, y2] = item.at;
      file << std::exchange(separator, ",\n")
           << "{\"image_id\":" << std::to_string(*ids.images.find(line.image))
           << ",\"category_id\":" << std::to_string(*category)
           << ",\"category_name\":" << json_quote(item.label) << ",\"bbox\":[" << json_number(float(x1))
           << "," << json_number(float(y1)) << "," << json_number(float(x2 - x1)) << ","
           << json_number(float(y2 - y1)) << "],\"score\":" << json_number(float(item.score)) << "}";
    }
  });
  file << (*separator == '[' ? "[]\n" : "\n]\n");
  file.finish();
  if (points > 0)
    std::cerr << path << ": " << points << " points left out: a file of boxes has no place for them\n";
  if (unknown > 0)
    std::cerr << path << ": " << unknown << " boxes left out whose labels are no categories of "
              << annotations << "\n";

  TextFile map(coco_ids_path(path));
  map << "{\"images\":{";
  const char* comma = "";
  for (const auto& [name, number] : ids.images.all())
    map << std::exchange(comma, ",\n") << json_quote(name) << ":" << std::to_string(number);
  map << "},\n\"categories\":{";
  comma = "";
  for (const auto& [name, number] : ids.categories.all())
    map << std::exchange(comma, ",\n") << json_quote(name) << ":" << std::to_string(number);
  map << "}}\n";
  map.finish();
}

}  // namespace la::cli
