#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "la/core/error.hpp"

// What the fuzzers share. Each is one file with one LLVMFuzzerTestOneInput; run.sh builds and runs them.
namespace la::fuzz {

/// A file of the source tree, from its root.
inline std::string source(const std::string& path) { return std::string(LA_SOURCE_ROOT) + "/" + path; }

/// Ends the run with a crash, as a property that must hold does not.
inline void require_that(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

/// Input is either taken or refused by an Error, whose message must be one short line. Any other end is a finding.
template <class Action>
bool accepted(const Action& action) {
  try {
    action();
    return true;
  } catch (const Error& error) {
    const std::string_view message = error.what();
    require_that(!message.empty() && message.size() < 4096, "a message is neither empty nor long");
    require_that(std::none_of(message.begin(), message.end(), [](unsigned char c) { return c < 0x20; }),
                 "a message is one line");
    return false;
  }
}

/// The bytes of one input, taken from the front.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto first = std::uint8_t(rest_[0]);
    rest_.remove_prefix(1);
    return first;
  }
  /// In [0, bound).
  std::size_t below(std::size_t bound) { return (byte() | std::size_t{byte()} << 8) % bound; }
  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// A directory of this process, in memory where there is such a place.
class Scratch {
 public:
  Scratch() {
    const char* place = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    path_ = std::string(place) + "/la-fuzz-" + std::to_string(::getpid());
    std::filesystem::create_directories(path_);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, std::string_view bytes) const {
    std::FILE* file = std::fopen((path_ + "/" + name).c_str(), "wb");
    require_that(file && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size(), "scratch is writable");
    std::fclose(file);
  }
  void copy(const std::string& from, const std::string& name) const {
    std::filesystem::copy_file(from, path_ + "/" + name, std::filesystem::copy_options::overwrite_existing);
  }

 private:
  std::string path_;
};

}  // namespace la::fuzz
