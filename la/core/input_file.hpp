#pragma once

#include <cstddef>
#include <string>

#include "inline.hpp"

namespace la::inline LA_ABI {

/// A regular file, open for reading.
class InputFile {
 public:
  /// error: the file is missing, cannot be opened, or is no regular file (the message names it)
  static InputFile open(const std::string& path);

  InputFile() = default;
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();

  const std::string& path() const noexcept { return path_; }
  int descriptor() const noexcept { return descriptor_; }
  /// Bytes when it was opened.
  std::size_t size() const noexcept { return size_; }
  /// error: the file is now shorter than when it was opened
  void require_whole() const;
  /// Copies all of it to `out`, size() bytes.
  /// error: it cannot be read, or was cut short since it was opened
  void read(char* out) const;

 private:
  [[noreturn]] void fail_cut(std::size_t found) const;

  std::string path_;
  int descriptor_ = -1;
  std::size_t size_ = 0;
};

/// The bytes of a regular file. For files that are read once: unlike a mapping, this cannot fault.
/// error: as InputFile, or more than `max_bytes`, which is checked before anything is allocated
std::string read_whole_file(const std::string& path, std::size_t max_bytes);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "input_file.cpp"
#endif
