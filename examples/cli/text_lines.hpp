#pragma once

#include <fstream>
#include <string>

#include "la/la.hpp"

// Lines of files that other people wrote.
namespace la::cli {

inline constexpr std::size_t kLongestLine = 4 << 20;  ///< bytes; no prompt that fits a model comes near

/// Reads a file line by line. Of a line that is too long no more is kept than shows it: kLongestLine + 1 bytes.
class TextLines {
 public:
  /// error: the file cannot be opened
  explicit TextLines(std::string path) : path_(std::move(path)), file_(path_) {
    require(file_.good(), path_, ": could not be opened");
  }

  /// The next line that is not blank, into text(); false at the end of the file.
  /// error: the file cannot be read
  bool next() {
    while (read()) {
      ++number_;
      if (text_.find_first_not_of(" \t\r") != text_.npos) return true;
    }
    require(!file_.bad(), path_, ": could not be read behind line ", number_);
    return false;
  }

  const std::string& text() const noexcept { return text_; }
  /// From 1, blank lines counted.
  i64 number() const noexcept { return number_; }

 private:
  bool read() {
    text_.clear();
    auto& buffer = *file_.rdbuf();
    int c = buffer.sbumpc();
    if (c == std::char_traits<char>::eof()) return false;
    for (; c != '\n' && c != std::char_traits<char>::eof(); c = buffer.sbumpc())
      if (text_.size() <= kLongestLine) text_ += char(c);
    return true;
  }

  std::string path_;
  std::ifstream file_;
  std::string text_;
  i64 number_ = 0;
};

}  // namespace la::cli
