#pragma once

#include <deque>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "answer_log.hpp"
#include "request_source.hpp"
#include "shard.hpp"

namespace la::cli {

/// A request with its place among those that this run answers.
struct Ticket {
  i64 index = 0;
  RequestText request;
};

/// A number that grows with the work of a line, as far as can be told without decoding: the bytes of its picture.
inline double line_cost(const Ticket& ticket, const LineDefaults& defaults) {
  if (!ticket.request.image_bytes.empty()) return double(ticket.request.image_bytes.size());
  simdjson::dom::parser parser;
  const RequestLine line = read_request(parser, ticket.request, defaults);
  if (!line.error.empty()) return 0;
  if (is_data_uri(line.image)) return double(ticket.request.json.size());
  std::error_code failure;
  try {
    const auto bytes = std::filesystem::file_size(image_path(line.image, defaults.folder), failure);
    return failure ? 0 : double(bytes);
  } catch (const Error&) {
    return 0;
  }
}

/// The requests of this shard that nobody answered yet, in order.
class RequestQueue {
 public:
  RequestQueue(RequestSource& source, const Shard& shard, const LineDefaults& defaults, AnswerLog& log,
               bool keep_errors)
      : source_(source), shard_(shard), defaults_(defaults), log_(log), keep_errors_(keep_errors) {}

  std::optional<Ticket> next() {
    while (std::optional<RequestText> request = source_.next()) {
      const i64 number = seen_++;
      if (!shard_.holds(number)) continue;
      const RequestLine line = read_request(parser_, *request, defaults_);
      for (const std::string& key : line.ignored)
        if (warned_.insert(key).second)
          std::cerr << "warning: line " << line.number << ": \"" << key
                    << "\" is no option; it is echoed and otherwise ignored, here and in other lines\n";
      if (log_.answered(line.digest, line.number, keep_errors_)) {
        ++before_;
        continue;
      }
      return Ticket{asked_++, std::move(*request)};
    }
    return std::nullopt;
  }

  i64 before() const noexcept { return before_; }
  /// Of all shards.
  i64 seen() const noexcept { return seen_; }

 private:
  RequestSource& source_;
  const Shard& shard_;
  const LineDefaults& defaults_;
  AnswerLog& log_;
  bool keep_errors_;
  simdjson::dom::parser parser_;
  std::set<std::string> warned_;
  i64 seen_ = 0, asked_ = 0, before_ = 0;
};

}  // namespace la::cli
