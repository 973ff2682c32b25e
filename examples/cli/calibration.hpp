#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <simdjson.h>

#include "la/la.hpp"
#include "la/quantize/quantize.hpp"
#include "image_files.hpp"
#include "text_lines.hpp"

// Pictures and questions that show a quantiser what inputs the layers get.
namespace la::cli {

/// Pictures without questions: the same general ones for each.
inline std::vector<CalibrationSample> calibration_of_folder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (is_image(entry.path())) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<CalibrationSample> samples;
  for (const auto& path : paths) {
    const Image image = load_image(path.string());
    for (Task task : {Task::ground_single, Task::ground_multi, Task::point})
      samples.push_back({image, question(task, "object")});
  }
  return samples;
}

/// A text member, empty when absent.
inline std::string text_member(const std::string& where, simdjson::dom::object line, const char* key) {
  simdjson::dom::element value;
  if (line[key].get(value) != simdjson::SUCCESS) return "";
  std::string_view text;
  require(value.get(text) == simdjson::SUCCESS, where, ": ", key, ": expected a string");
  return std::string(text);
}

inline PromptText question_of_line(const std::string& where, simdjson::dom::object line) {
  const std::string query = text_member(where, line, "query"), task = text_member(where, line, "task");
  require(query.empty() != task.empty(), where, ": expected either query or task");
  return query.empty() ? question(parse_task(task), text_member(where, line, "phrase"))
                       : question(Task::detect, query);
}

/// Lines as the batch program takes them; a picture that is not found is looked for beside the file.
inline std::vector<CalibrationSample> calibration_of_lines(const std::filesystem::path& path) {
  simdjson::dom::parser parser;
  std::vector<CalibrationSample> samples;
  for (TextLines lines(path.string()); lines.next();) {
    const std::string where = path.string() + ":" + std::to_string(lines.number());
    require(lines.text().size() <= kLongestLine, where, ": expected a line of at most ", kLongestLine,
            " bytes");
    simdjson::dom::object line;
    require(parser.parse(lines.text()).get(line) == simdjson::SUCCESS, where, ": expected a JSON object");
    std::filesystem::path image = text_member(where, line, "image");
    require(!image.empty(), where, ": image is missing");
    if (!std::filesystem::exists(image)) image = path.parent_path() / image;
    samples.push_back({load_image(image.string()), question_of_line(where, line)});
  }
  return samples;
}

/// error: no such path, a bad line or picture, no picture at all
inline std::vector<CalibrationSample> load_calibration(const std::string& path) {
  require(std::filesystem::exists(path), "--calibration: ", path,
          ": expected a folder of pictures or a JSONL file");
  auto samples =
      std::filesystem::is_directory(path) ? calibration_of_folder(path) : calibration_of_lines(path);
  require(!samples.empty(), "--calibration: ", path, ": expected at least one picture, found none");
  return samples;
}

}  // namespace la::cli
