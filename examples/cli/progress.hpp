#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>

#include "la/la.hpp"
#include "text_lines.hpp"

namespace la::cli {

/// "12/1000, 1.5/s, 0:10:58 left" on stderr, where it is a terminal.
class BatchProgress {
 public:
  explicit BatchProgress(i64 all) : all_(all) {}

  void advance() {
    ++done_;
    if (!terminal_) return;
    const double rate = double(done_) / seconds();
    const i64 left = i64(double(all_ - done_) / rate);
    char line[120];
    std::snprintf(line, sizeof line, "\r%lld/%lld, %.2f/s, %lld:%02lld:%02lld left   ",
                  static_cast<long long>(done_), static_cast<long long>(all_), rate,
                  static_cast<long long>(left / 3600), static_cast<long long>(left / 60 % 60),
                  static_cast<long long>(left % 60));
    std::cerr << line << std::flush;
  }
  /// One that was done before: it says nothing about the rate.
  void skip() { --all_; }
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

/// Lines that are not blank.
inline i64 count_requests(const std::string& path) {
  i64 count = 0;
  for (TextLines lines(path); lines.next();) ++count;
  return count;
}

}  // namespace la::cli
