#pragma once

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "digest.hpp"
#include "image_address.hpp"
#include "la/la.hpp"
#include "model_flags.hpp"
#include "text_lines.hpp"

// The lines that go into the batch program.
namespace la::cli {

/// Fields of an answer; a request's own fields of these names are not echoed.
inline constexpr std::array<std::string_view, 10> kAnswerFields{
    "line", "raw_response", "items", "stats", "error", "digest", "model", "options", "warnings", "truncated"};
/// Fields of a request that are no options.
inline constexpr std::array<std::string_view, 10> kRequestFields{
    "image", "query",    "task",        "phrase",       "categories",
    "id",    "image_id", "category_id", "category_ids", "time"};

/// What a line falls back on.
struct LineDefaults {
  ModelFlags flags{};
  std::string question{};  ///< members for a line that asks nothing: `"task":"point","phrase":"a cup"`
  std::filesystem::path folder{};  ///< where relative paths are looked for first
  bool echo = true;  ///< whether lines are answered with their fields, and told apart by digests
};

/// A request as it came: JSON, and the picture's file where that came with it.
struct RequestText {
  std::string json;
  std::string image_bytes{};
  i64 number = 0;  ///< from 1, blank lines counted
};

/// One line: `{"image": PATH, "query": CATEGORIES}`, or with "task" and "phrase" or "categories", and any option that
/// questions may differ in, by its flag's name with underscores. All but an answer's fields are echoed.
struct RequestLine {
  i64 number = 0;
  std::uint64_t digest = 0;  ///< of all that is echoed and of the picture where it is in the line
  std::string fields;        ///< `"name":value,...` as they came in, to be echoed
  std::string image;
  std::optional<Task> task;
  PromptText question;
  std::vector<std::string> categories;  ///< of detect, when there are several
  AskOptions ask;
  LoadOptions load;
  i64 max_side = 0;
  std::vector<std::string> ignored;  ///< fields that mean nothing here
  std::string error;                 ///< why it cannot be asked; empty when it can
};

namespace request_lines {

template <class Names>
bool among(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

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

inline bool asks(simdjson::dom::object object) {
  for (const char* name : {"query", "task", "phrase", "categories"})
    if (has(object, name)) return true;
  return false;
}

/// A list of names, or one text with commas. As with all lists, a name that comes twice is asked for once.
inline std::vector<std::string> categories_field(simdjson::dom::object object) {
  simdjson::dom::array names;
  if (object.at_key("categories").get(names) != simdjson::SUCCESS)
    return category_names(detect_categories(text_field(object, "categories")));
  std::string joined;
  for (simdjson::dom::element name : names) {
    std::string_view text;
    if (name.get(text) != simdjson::SUCCESS || text.empty())
      fail("categories: expected names, found ", simdjson::minify(name));
    joined.append(joined.empty() ? "" : "</c>").append(text);
  }
  if (joined.empty()) fail("categories: expected at least one name, found none");
  return category_names(joined);
}

inline void read_question(simdjson::dom::object object, RequestLine& line) {
  const bool query = has(object, "query"), task = has(object, "task"), phrase = has(object, "phrase"),
             categories = has(object, "categories");
  if (query && (task || phrase || categories))
    fail("query: takes the place of task, phrase and categories; give one or the other");
  if (query) {
    line.task = Task::detect;
    const std::string text = text_field(object, "query");
    line.question = question(Task::detect, text, Reading::interpreted);
    if (text.find("</c>") != text.npos) line.categories = category_names(text);
    return;
  }
  if (!task && !categories) fail("expected query, categories, or task and phrase");
  line.task = task ? parse_task(text_field(object, "task")) : Task::detect;
  if (categories) {
    if (phrase) fail("categories: give categories or phrase, not both");
    if (*line.task != Task::detect) fail("categories: expected task detect, found ", name_of(*line.task));
    line.categories = categories_field(object);
    line.question = detect_question(line.categories);
  } else if (*line.task == Task::detect_text) {
    if (phrase) fail("phrase: task detect-text takes none");
    line.question = question(Task::detect_text, "");
  } else {
    const std::string text = text_field(object, "phrase");
    line.question = question(*line.task, text);
    if (line.task == Task::detect && text.find("</c>") != text.npos) line.categories = category_names(text);
  }
}

/// The value as it would stand on a command line.
inline std::string flag_value(std::string_view name, simdjson::dom::element value) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return std::string(text);
  if (value.is_object() || value.is_array() || value.is_null())
    fail(name, ": expected a value, found ", simdjson::minify(value));
  return simdjson::minify(value);
}

/// The options of this line over those of the flags.
inline void read_options(simdjson::dom::object object, const ModelFlags& defaults, RequestLine& line) {
  ModelFlags own = defaults;
  Flags flags;
  own.add_answer_to(flags);
  for (const auto& [key, value] : object) {
    if (among(kAnswerFields, key) || among(kRequestFields, key)) continue;
    std::string flag = "--" + std::string(key);
    std::replace(flag.begin(), flag.end(), '_', '-');
    if (flags.has(flag))
      flags.set(flag, flag_value(key, value));
    else
      line.ignored.emplace_back(key);
  }
  if (!line.task) return;
  line.ask = own.ask_options(*line.task);
  line.load = own.load_options();
  line.max_side = own.max_image_side;
}

/// The fields that are repeated in the answer; a picture that stands among them is named by its digest.
inline void read_echo(simdjson::dom::object object, RequestLine& line) {
  for (const auto& [name, value] : object) {
    if (among(kAnswerFields, name)) continue;
    std::string_view address;
    const bool is_picture =
        name == "image" && value.get(address) == simdjson::SUCCESS && is_data_uri(address);
    if (is_picture) line.digest = digest_of(address, line.digest);
    line.fields += json_quote(name) + ":" +
                   (is_picture ? json_quote(short_address(address)) : simdjson::minify(value)) + ",";
  }
}

inline void read_object(simdjson::dom::object object, const LineDefaults& defaults, RequestLine& line) {
  if (defaults.echo) {
    read_echo(object, line);
    line.digest = digest_of(line.fields, line.digest);
  }
  line.image = text_field(object, "image");
  read_question(object, line);
  read_options(object, defaults.flags, line);
}

}  // namespace request_lines

/// Never throws for what the line says: that is the line's own error.
inline RequestLine read_request(simdjson::dom::parser& parser, const RequestText& request,
                                const LineDefaults& defaults) {
  RequestLine line;
  line.number = request.number;
  if (defaults.echo) line.digest = digest_of(request.image_bytes);
  try {
    require(request.json.size() <= kLongestLine, "expected a line of at most ", kLongestLine, " bytes");
    simdjson::dom::object object;
    auto parsed = parser.parse(request.json);
    if (parsed.error() != simdjson::SUCCESS)
      fail("expected a JSON object, found: ", simdjson::error_message(parsed.error()));
    if (parsed.get(object) != simdjson::SUCCESS)
      fail("expected a JSON object, found ", simdjson::minify(parsed.value()));
    if (!defaults.question.empty() && !request_lines::asks(object)) {
      std::string text = simdjson::minify(object);
      text.pop_back();
      if (text.size() > 1) text += ",";
      if (parser.parse(text + defaults.question + "}").get(object) != simdjson::SUCCESS)
        fail("expected a JSON object");
    }
    request_lines::read_object(object, defaults, line);
  } catch (const Error& error) {
    line.error = error.what();
  }
  if (defaults.echo && line.fields.empty()) line.digest = digest_of(request.json, line.digest);
  return line;
}

}  // namespace la::cli
