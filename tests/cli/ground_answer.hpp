#pragma once

#include <simdjson.h>

#include "program.hpp"

// The JSON lines of ground, read back and checked.
namespace la::test {

using Json = simdjson::dom::element;

/// The lines of stdout, each a JSON object; valid as long as this lives.
class Answers {
 public:
  explicit Answers(const std::string& out) {
    std::istringstream lines(out);
    for (std::string line; std::getline(lines, line);) {
      parsers_.push_back(std::make_unique<simdjson::dom::parser>());
      Json object;
      REQUIRE_MESSAGE(!parsers_.back()->parse(line).get(object), line);
      REQUIRE(object.is_object());
      objects_.push_back(object);
    }
  }
  std::size_t size() const { return objects_.size(); }
  Json operator[](std::size_t i) const { return objects_.at(i); }

 private:
  std::vector<std::unique_ptr<simdjson::dom::parser>> parsers_;
  std::vector<Json> objects_;
};

inline std::string text(Json object, const char* key) {
  std::string_view value;
  REQUIRE_MESSAGE(!object[key].get(value), key);
  return std::string(value);
}

inline double number(Json object, const char* key) {
  REQUIRE_MESSAGE(object[key].is_number(), key);
  return object[key].get_double().value();
}

inline std::int64_t integer(Json object, const char* key) {
  std::int64_t value = 0;
  REQUIRE_MESSAGE(!object[key].get(value), key);
  return value;
}

inline std::vector<double> numbers(Json object, const char* key) {
  std::vector<double> values;
  simdjson::dom::array array;
  REQUIRE_MESSAGE(!object[key].get(array), key);
  for (Json value : array) values.push_back(value.get_double().value());
  return values;
}

inline std::vector<std::int32_t> token_ids(Json object) {
  std::vector<std::int32_t> ids;
  for (double id : numbers(object, "token_ids")) ids.push_back(std::int32_t(id));
  return ids;
}

inline std::vector<Json> items(Json object) {
  std::vector<Json> all;
  simdjson::dom::array array;
  REQUIRE(!object["items"].get(array));
  for (Json item : array) all.push_back(item);
  return all;
}

/// Runs ground with --json and these arguments, which must work; its one answer's ids.
inline std::vector<std::int32_t> ids_of(Program program) {
  program.command.push_back("--json");
  const Outcome outcome = run(program);
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const Answers answers(outcome.out);
  REQUIRE(answers.size() == 1);
  return token_ids(answers[0]);
}

inline std::vector<std::int32_t> ids_of(std::vector<std::string> arguments) {
  return ids_of(ground_program(std::move(arguments)));
}

/// The box of the first item.
inline std::vector<double> first_box(const Outcome& outcome) {
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const Answers answers(outcome.out);
  REQUIRE(answers.size() >= 1);
  const std::vector<Json> found = items(answers[0]);
  REQUIRE(!found.empty());
  REQUIRE(text(found[0], "kind") == "box");
  return numbers(found[0], "box");
}

}  // namespace la::test
