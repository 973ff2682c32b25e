#pragma once

#include <simdjson.h>

#include <sstream>

#include "program.hpp"

// Runs of the batch program, and the lines that it reads and writes.
namespace la::test {

inline std::string image(const char* name) {
  return source(std::string("data/pictures/") + name);
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline void write(const std::string& path, const std::vector<std::string>& lines) {
  std::ofstream out(path, std::ios::binary);
  for (const std::string& line : lines) out << line << "\n";
}

inline Program batch_program(const std::string& requests, const std::string& out,
                             std::vector<std::string> more = {}) {
  std::vector<std::string> command{LA_BUILD_ROOT "/examples/batch",
                                   "--model-dir",
                                   source("data/shapes"),
                                   "--requests",
                                   requests,
                                   "--out",
                                   out,
                                   "--threads",
                                   "1"};
  command.insert(command.end(), more.begin(), more.end());
  return {std::move(command)};
}

/// The last line of what it says, after it has ended with this status.
inline std::string last(const Program& program, int status) {
  const Outcome outcome = run(program);
  INFO(outcome.err);
  CHECK(outcome.status == status);
  return outcome.last_error();
}

/// n requests over three pictures, several questions, some of them wrong.
inline std::vector<std::string> many_requests(int n) {
  const std::string images[] = {image("shapes.png"), image("crowd.png"), image("letters.png")};
  const char* asked[] = {"\"query\":\"ring</c>star\"", "\"task\":\"ground-multi\",\"phrase\":\"red circle\"",
                         "\"task\":\"point\",\"phrase\":\"blue square\"", "\"query\":\"letter\"",
                         "\"task\":\"no-such\""};
  std::vector<std::string> lines;
  for (int i = 0; i < n; ++i) {
    std::string line = "{\"image\":\"" + images[i / 4 % 3] + "\"," + asked[i % 5];
    if (i % 3 == 0) line += ",\"id\":\"row " + std::to_string(i) + "\"";
    lines.push_back(line + "}");
  }
  return lines;
}

inline simdjson::dom::element parsed(simdjson::dom::parser& parser, const std::string& line) {
  simdjson::dom::element value;
  REQUIRE_MESSAGE(parser.parse(line).get(value) == simdjson::SUCCESS, line);
  return value;
}

/// The answers of a file or of stdout, each parsed.
class BatchAnswers {
 public:
  explicit BatchAnswers(const std::string& text) {
    for (const std::string& line : lines_of(text)) {
      parsers_.push_back(std::make_unique<simdjson::dom::parser>());
      answers_.push_back(parsed(*parsers_.back(), line));
    }
  }
  std::size_t size() const { return answers_.size(); }
  simdjson::dom::element operator[](std::size_t i) const { return answers_.at(i); }
  /// A member as JSON; empty when it is not there.
  std::string at(std::size_t i, const char* name) const {
    simdjson::dom::element value;
    if (answers_.at(i)[name].get(value)) return "";
    return simdjson::minify(value);
  }

 private:
  std::vector<std::unique_ptr<simdjson::dom::parser>> parsers_;
  std::vector<simdjson::dom::element> answers_;
};

/// A run that must succeed; what it said.
inline Outcome succeed(const Program& program) {
  const Outcome outcome = run(program);
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  return outcome;
}

}  // namespace la::test
