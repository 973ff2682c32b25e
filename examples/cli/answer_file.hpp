#pragma once

#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "report.hpp"
#include "request_lines.hpp"

// The lines that come out of the batch program, and picking up where it was stopped.
namespace la::cli {

/// One line: the request's fields and its answer. No timings are in it, so the same requests give the same lines.
inline std::string answer_line(const RequestLine& request, const Result& result, Mode mode) {
  std::string line = "{" + request.fields;
  if (request.key.starts_with("line ")) line += "\"line\":" + std::to_string(request.number) + ",";
  if (!result.ok()) return line + "\"error\":" + json_quote(result.error) + "}";
  line += "\"raw_response\":" + json_quote(result.answer) + ",\"items\":" + json_items(result.items) + "," +
          json_warnings(result);
  line += ",\"stats\":{\"width\":" + std::to_string(result.width) +
          ",\"height\":" + std::to_string(result.height) + ",\"mode\":\"" + name_of(mode) + "\",\"stop\":\"" +
          name_of(result.stop) + "\",\"prompt_tokens\":" + std::to_string(result.prompt_tokens) +
          ",\"tokens\":" + std::to_string(result.token_ids.size()) +
          ",\"forward_steps\":" + std::to_string(result.forward_steps) +
          ",\"switches_to_ar\":" + std::to_string(result.switches_to_ar) +
          ",\"drafted\":" + std::to_string(result.drafted) +
          ",\"accepted\":" + std::to_string(result.accepted) + "}";
  return line + "}";
}

/// How often each request was answered already, by its key.
using Answered = std::map<std::string, i64>;

/// Reads the answers of an earlier run. What it was killed in the middle of writing is cut off.
/// error: a whole line that is no answer: the file is something else
inline Answered read_answers(const std::string& path) {
  Answered answered;
  std::ifstream file(path);
  if (!file) return answered;
  simdjson::dom::parser parser;
  std::uintmax_t whole = 0;
  i64 number = 0;
  for (std::string text; std::getline(file, text) && !file.eof();) {  // at the end: no newline, torn
    ++number;
    simdjson::dom::object object;
    require(parser.parse(text).get(object) == simdjson::SUCCESS, path, ": line ", number,
            ": expected an answer of an earlier run, found something else; it is left as it is");
    simdjson::dom::element key;
    i64 line = 0;
    if (object.at_key("id").get(key) == simdjson::SUCCESS)
      ++answered[simdjson::minify(key)];
    else if (object.at_key("line").get(line) == simdjson::SUCCESS)
      ++answered["line " + std::to_string(line)];
    whole += text.size() + 1;
  }
  require(!file.bad(), path, ": could not be read behind line ", number);
  file.close();
  if (std::filesystem::file_size(path) > whole) std::filesystem::resize_file(path, whole);
  return answered;
}

/// Answers in the order of their requests: one that is early waits for those before it. Each line is flushed.
class AnswerFile {
 public:
  /// error: it cannot be written
  AnswerFile(std::string path, bool append)
      : path_(std::move(path)), file_(path_, append ? std::ios::app : std::ios::trunc) {
    require(file_.good(), path_, ": could not be opened for writing");
    std::error_code ignored;
    if (append) whole_ = std::filesystem::file_size(path_, ignored);
  }

  /// error: the line did not arrive, as on a full disk; what came of it is taken back, so that the file is whole
  void put(i64 index, std::string line) {
    early_[index] = std::move(line);
    for (auto next = early_.begin(); next != early_.end() && next->first == written_; next = early_.begin()) {
      const std::string text = next->second + "\n";
      file_ << text << std::flush;
      if (!file_.good()) give_up();
      whole_ += text.size();
      early_.erase(next);
      ++written_;
    }
  }

  i64 written() const noexcept { return written_; }

 private:
  [[noreturn]] void give_up() {
    file_.close();
    std::error_code ignored;
    if (std::filesystem::is_regular_file(path_, ignored))
      std::filesystem::resize_file(path_, whole_, ignored);
    fail(path_, ": could not be written");
  }

  std::string path_;
  std::ofstream file_;
  std::uintmax_t whole_ = 0;  // bytes of whole lines
  std::map<i64, std::string> early_;
  i64 written_ = 0;
};

}  // namespace la::cli
