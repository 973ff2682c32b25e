#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace la::test {

/// A file of the source tree, by its path from the root: `source("data/shapes")`.
inline std::string source(const std::string& path) {
  return std::string(LA_SOURCE_ROOT) + "/" + path;
}

/// Reference material kept beside the checkout rather than in it; its tests say so and stop when it is absent.
inline std::string shared(const std::string& path) {
  return source("../shared/" + path);
}

/// Memory that the process holds.
inline std::size_t resident_bytes() {
  std::size_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * std::size_t(::sysconf(_SC_PAGESIZE));
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// A directory that is removed, with what is in it, at the end of the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "la-test-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string str() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// max|a-b| / max|b|, the measure of the goldens.
template <class A, class B>
double relative_error(const A& a, const B& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, magnitude = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (std::isnan(double(a[i])) != std::isnan(double(b[i]))) return INFINITY;
    difference = std::max(difference, std::abs(double(a[i]) - double(b[i])));
    magnitude = std::max(magnitude, std::abs(double(b[i])));
  }
  return magnitude > 0 ? difference / magnitude : difference;
}

}  // namespace la::test
