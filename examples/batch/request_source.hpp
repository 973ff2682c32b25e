#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "../cli/request_lines.hpp"

namespace la::cli {

/// Where requests come from: each form of input turns what it holds into lines, which is all that the rest knows.
class RequestSource {
 public:
  virtual ~RequestSource() = default;
  /// The next request, in an order that is the same in every run; nothing at the end.
  /// error: the input cannot be read on
  virtual std::optional<RequestText> next() = 0;
};

/// A file of requests, stdin ("-"), or a pipe.
class LineRequests : public RequestSource {
 public:
  explicit LineRequests(const std::string& path) : lines_(path) {}

  std::optional<RequestText> next() override {
    if (!lines_.next()) return std::nullopt;
    return RequestText{lines_.text(), {}, lines_.number()};
  }

 private:
  TextLines lines_;
};

/// Pictures by their paths; what is asked of them comes from the flags.
class ImageRequests : public RequestSource {
 public:
  explicit ImageRequests(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  std::optional<RequestText> next() override {
    if (next_ >= paths_.size()) return std::nullopt;
    const std::string& path = paths_[next_++];
    return RequestText{"{\"image\":" + json_quote(path) + "}", {}, i64(next_)};
  }

 private:
  std::vector<std::string> paths_;
  std::size_t next_ = 0;
};

}  // namespace la::cli
