#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "inline.hpp"

namespace la::inline LA_ABI {

/// What is to be read: the file at a path, or bytes in memory that somebody else keeps.
struct FileRef {
  std::string path;                                 ///< in messages; of bytes in memory the name alone
  std::optional<std::span<const std::byte>> bytes;  ///< nothing: the file at that path

  FileRef(std::string p) : path(std::move(p)) {}
  FileRef(const char* p) : path(p) {}
  FileRef(const std::filesystem::path& p) : path(p.string()) {}
  FileRef(std::string name, std::span<const std::byte> b) : path(std::move(name)), bytes(b) {}
};

/// A regular file, open for reading, or bytes in memory in its place.
class InputFile {
 public:
  /// error: the file is missing, cannot be opened, or is no regular file (the message names it)
  static InputFile open(const FileRef& ref);

  InputFile() = default;
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();

  const std::string& path() const noexcept { return path_; }
  /// -1 of bytes in memory.
  int descriptor() const noexcept { return descriptor_; }
  /// Null of a file.
  const std::byte* memory() const noexcept { return memory_; }
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
  const std::byte* memory_ = nullptr;
  std::size_t size_ = 0;
};

/// The bytes of a regular file. For files that are read once: unlike a mapping, this cannot fault.
/// error: as InputFile, or more than `max_bytes`, which is checked before anything is allocated
std::string read_whole_file(const FileRef& ref, std::size_t max_bytes);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "input_file.cpp"
#endif
