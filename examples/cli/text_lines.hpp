#pragma once

#include <fstream>
#include <iostream>
#include <string>

#include "la/la.hpp"

// Lines of files that other people wrote.
namespace la::cli {

inline constexpr std::size_t kLongestLine = 64 << 20;  ///< bytes; a data URI of a large picture fits

/// Reads a file line by line, once: a pipe will do. Of a line that is too long no more is kept than shows it:
/// kLongestLine + 1 bytes. A UTF-8 byte order mark is skipped.
class TextLines {
 public:
  /// "-" is stdin.
  /// error: the file cannot be opened
  explicit TextLines(const std::string& path) : path_(path == "-" ? "stdin" : path) {
    if (path == "-") return;
    file_.open(path);
    require(file_.good(), path_, ": could not be opened");
    stream_ = &file_;
  }
  TextLines(const TextLines&) = delete;
  TextLines& operator=(const TextLines&) = delete;

  /// The next line that is not blank, into text(); false at the end of the file.
  /// error: the file cannot be read, or is UTF-16
  bool next() {
    while (read()) {
      if (++number_ == 1) skip_mark();
      if (text_.find_first_not_of(" \t\r") != text_.npos) return true;
    }
    require(!stream_->bad(), path_, ": could not be read behind line ", number_);
    return false;
  }

  const std::string& text() const noexcept { return text_; }
  /// From 1, blank lines counted.
  i64 number() const noexcept { return number_; }

 private:
  void skip_mark() {
    const bool marked = text_.starts_with("\xff\xfe") || text_.starts_with("\xfe\xff");
    const bool zeros = text_.size() > 1 && (text_[0] == '\0') != (text_[1] == '\0');
    require(!marked && !zeros, path_, ": expected UTF-8, found UTF-16; iconv -f UTF-16 -t UTF-8 converts it");
    if (text_.starts_with("\xef\xbb\xbf")) text_.erase(0, 3);
  }

  bool read() {
    text_.clear();
    auto& buffer = *stream_->rdbuf();
    int c = buffer.sbumpc();
    if (c == std::char_traits<char>::eof()) return false;
    for (; c != '\n' && c != std::char_traits<char>::eof(); c = buffer.sbumpc())
      if (text_.size() <= kLongestLine) text_ += char(c);
    return true;
  }

  std::string path_;
  std::ifstream file_;
  std::istream* stream_ = &std::cin;
  std::string text_;
  i64 number_ = 0;
};

}  // namespace la::cli
