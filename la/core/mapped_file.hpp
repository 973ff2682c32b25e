#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "inline.hpp"
#include "input_file.hpp"
#include "mapped_ranges.hpp"

namespace la::inline LA_ABI {

/// A whole file mapped read-only, or bytes in memory in its place, which are left alone. Pages are read when first touched and can be given back with release().
///
/// A file that somebody cuts short while it is mapped has pages that cannot be read: touching one is a SIGBUS, which
/// ends the process unless it has a TruncationGuard. Whoever used the bytes asks require_whole() afterwards.
class MappedFile {
 public:
  /// error: the file is missing, not a regular file, or cannot be mapped (the message names it)
  static MappedFile open(const FileRef& ref);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const noexcept { return {data_, file_.size()}; }
  const std::string& path() const noexcept { return file_.path(); }

  /// error: the file is now shorter than when it was mapped, or was so during a read under a TruncationGuard. Whatever was
  /// read since the last successful call must then be thrown away.
  void require_whole() const;

  /// Drops the resident pages of a file's range that will not be read soon; reading it again is still allowed.
  void release(std::span<const std::byte> range) const noexcept;

 private:
  InputFile file_;
  const std::byte* data_ = nullptr;
  detail::MappedRange* range_ = nullptr;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "mapped_file.cpp"
#endif
