#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "error.hpp"

namespace la::inline LA_ABI {

/// A file on its way to its final name: it is written under another one beside it, which is removed again unless
/// finish() gets that far. So a full disk, an error or a signal never leaves half a file under the final name.
/// Devices and pipes are written to directly. Keeps the first error.
class PendingFile {
 public:
  explicit PendingFile(const std::string& path) : path_(path), final_(path), current_(path) {
    std::error_code ignored;
    const auto status = std::filesystem::status(path, ignored);
    if (std::filesystem::exists(status))
      final_ = current_ = std::filesystem::canonical(path, ignored).string();
    // Devices and pipes are written to: renaming over them would replace them.
    renames_ = !std::filesystem::exists(status) || std::filesystem::is_regular_file(status);
    if (renames_) current_ += ".part-" + std::to_string(::getpid());
    file_ = ::open(current_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file_ < 0) error_ = errno;
    remove_ = renames_ && file_ >= 0;
  }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (file_ >= 0) ::close(file_);
    if (remove_) ::unlink(current_.c_str());
  }

  void write(const void* data, std::size_t size) noexcept {
    const char* from = static_cast<const char*>(data);
    while (size > 0 && error_ == 0) {
      const ssize_t count = ::write(file_, from, size);
      if (count < 0 && errno != EINTR) error_ = errno;
      if (count > 0) {
        from += count;
        size -= std::size_t(count);
      }
    }
  }

  /// error: something could not be written
  void check() const {
    if (error_ != 0) fail(path_, ": cannot be written: ", std::strerror(error_));
  }

  /// Gives the file its name.
  /// error: as check
  void finish() {
    if (file_ >= 0 && ::close(std::exchange(file_, -1)) != 0 && error_ == 0) error_ = errno;
    if (error_ == 0 && renames_ && std::rename(current_.c_str(), final_.c_str()) != 0) error_ = errno;
    if (error_ == 0) remove_ = false;
    check();
  }

 private:
  std::string path_, final_, current_;
  bool renames_ = false, remove_ = false;
  int file_ = -1, error_ = 0;
};

}  // namespace la::inline LA_ABI
