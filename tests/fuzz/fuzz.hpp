#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "la/core/error.hpp"

// What the fuzzers share. Each is one file with one LLVMFuzzerTestOneInput; run.sh builds and runs them.
namespace la::fuzz {

/// A file of the source tree, from its root.
inline std::string source(const std::string& path) {
  return std::string(LA_SOURCE_ROOT) + "/" + path;
}

inline std::string read_source(const std::string& path) {
  std::ifstream in(source(path), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

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
  /// libFuzzer's alarm interrupts system calls: each is tried again.
  void write(const std::string& name, std::string_view bytes) const {
    int file = -1;
    do file = ::open((path_ + "/" + name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    while (file < 0 && errno == EINTR);
    require_that(file >= 0, "scratch can be opened");
    while (!bytes.empty()) {
      const ssize_t count = ::write(file, bytes.data(), bytes.size());
      require_that(count > 0 || errno == EINTR, "scratch can be written");
      if (count > 0) bytes.remove_prefix(std::size_t(count));
    }
    ::close(file);
  }

 private:
  std::string path_;
};

}  // namespace la::fuzz
