#pragma once

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "la/la.hpp"
#include "text_lines.hpp"

// The lines that go into the batch program.
namespace la::cli {

/// Fields of an answer; a request's own fields of these names are not echoed.
inline constexpr std::array<std::string_view, 7> kAnswerFields{
    "line", "raw_response", "items", "warnings", "truncated", "stats", "error"};

/// One line: `{"image": PATH, "query": CATEGORIES}`, or with "task" and "phrase"; "id" and others are echoed.
struct RequestLine {
  i64 number = 0;      ///< from 1, blank lines counted
  std::string key;     ///< what --resume knows it by: its id as JSON, or "line N"
  std::string fields;  ///< `"name":value,...` as they came in, to be echoed
  std::string image;
  std::optional<Task> task;
  PromptText question;
  std::vector<std::string> categories;  ///< of detect, when there are several
  std::string error;                    ///< why it cannot be asked; empty when it can
};

namespace request_lines {

inline std::string text_field(simdjson::dom::object object, std::string_view name) {
  simdjson::dom::element value;
  if (object.at_key(name).get(value) != simdjson::SUCCESS) fail(name, " is missing");
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS)
    fail(name, ": expected a string, found ", simdjson::minify(value));
  return std::string(text);
}

inline bool has(simdjson::dom::object object, std::string_view name) {
  return object.at_key(name).error() == simdjson::SUCCESS;
}

inline void read_question(simdjson::dom::object object, RequestLine& line) {
  const bool query = has(object, "query"), task = has(object, "task"), phrase = has(object, "phrase");
  if (query && (task || phrase)) fail("query: takes the place of task and phrase; give one or the other");
  if (query) {
    line.task = Task::detect;
    const std::string categories = text_field(object, "query");
    line.question = question(Task::detect, categories, Reading::interpreted);
    if (categories.find("</c>") != categories.npos) line.categories = category_names(categories);
    return;
  }
  if (!task) fail("expected query, or task and phrase");
  line.task = parse_task(text_field(object, "task"));
  if (*line.task == Task::detect_text) {
    if (phrase) fail("phrase: task detect-text takes none");
    line.question = question(Task::detect_text, "");
  } else {
    const std::string text = text_field(object, "phrase");
    line.question = question(*line.task, text);
    if (line.task == Task::detect && text.find("</c>") != text.npos) line.categories = category_names(text);
  }
}

}  // namespace request_lines

/// Never throws for what the line says: that is the line's own error.
inline RequestLine read_request(simdjson::dom::parser& parser, const std::string& text, i64 number) {
  RequestLine line;
  line.number = number;
  line.key = "line " + std::to_string(number);
  try {
    require(text.size() <= kLongestLine, "expected a line of at most ", kLongestLine, " bytes");
    simdjson::dom::object object;
    auto parsed = parser.parse(text);
    if (parsed.error() != simdjson::SUCCESS)
      fail("expected a JSON object, found: ", simdjson::error_message(parsed.error()));
    if (parsed.get(object) != simdjson::SUCCESS)
      fail("expected a JSON object, found ", simdjson::minify(parsed.value()));
    for (const auto& [name, value] : object) {
      if (std::find(kAnswerFields.begin(), kAnswerFields.end(), name) != kAnswerFields.end()) continue;
      if (name == "id" && line.key.starts_with("line ")) line.key = simdjson::minify(value);
      line.fields += json_quote(name) + ":" + simdjson::minify(value) + ",";
    }
    line.image = request_lines::text_field(object, "image");
    request_lines::read_question(object, line);
  } catch (const Error& error) {
    line.error = error.what();
  }
  return line;
}

/// The lines of a file, one by one.
class RequestReader {
 public:
  /// error: the file cannot be read
  explicit RequestReader(const std::string& path) : lines_(path) {}

  std::optional<RequestLine> next() {
    if (!lines_.next()) return std::nullopt;
    return read_request(parser_, lines_.text(), lines_.number());
  }

 private:
  TextLines lines_;
  simdjson::dom::parser parser_;
};

}  // namespace la::cli
