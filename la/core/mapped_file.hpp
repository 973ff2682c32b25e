#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "inline.hpp"

namespace la {

/// A whole file mapped read-only. Pages are read when first touched and can be given back with release().
class MappedFile {
 public:
  /// error: the file is missing, not a regular file, or cannot be mapped (the message names it)
  static MappedFile open(const std::string& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  const std::string& path() const noexcept { return path_; }

  /// Drops the resident pages of a range that will not be read soon; reading it again is still allowed.
  void release(std::span<const std::byte> range) const noexcept;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::string path_;
};

}  // namespace la

#if !defined(LA_COMPILED)
#include "mapped_file.cpp"
#endif
