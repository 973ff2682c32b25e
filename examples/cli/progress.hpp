#pragma once

#include <unistd.h>

#include <chrono>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>

#include "la/la.hpp"
#include "text_lines.hpp"

namespace la::cli {

/// "12/1000, 1.5/s, 0:10:58 left" on stderr, where it is a terminal.
class BatchProgress {
 public:
  /// `all`: 0 when it is not known
  explicit BatchProgress(i64 all) : all_(all) {}

  void advance() {
    ++done_;
    if (!terminal_) return;
    const double rate = double(done_) / seconds();
    char line[120];
    if (all_ > 0) {
      const i64 left = i64(double(std::max<i64>(all_ - done_, 0)) / rate);
      std::snprintf(line, sizeof line, "\r%lld/%lld, %.2f/s, %lld:%02lld:%02lld left   ",
                    static_cast<long long>(done_), static_cast<long long>(all_), rate,
                    static_cast<long long>(left / 3600), static_cast<long long>(left / 60 % 60),
                    static_cast<long long>(left % 60));
    } else {
      std::snprintf(line, sizeof line, "\r%lld, %.2f/s   ", static_cast<long long>(done_), rate);
    }
    std::cerr << line << std::flush;
  }
  void finish() const {
    if (terminal_ && done_ > 0) std::cerr << "\n";
  }

  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  i64 all_, done_ = 0;
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Lines of a file that are not blank; 0 of a pipe, which can be read only once.
inline i64 count_requests(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return 0;
  i64 count = 0;
  for (TextLines lines(path); lines.next();) ++count;
  return count;
}

}  // namespace la::cli
