#include "write_png.hpp"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "../core/error.hpp"
#include "stb_writer.hpp"

namespace la {
namespace detail {

/// A file on its way to its final name: it is removed again unless finish() gets that far. Keeps the first
/// error.
class PendingFile {
 public:
  explicit PendingFile(const std::string& path) : final_(path), current_(path) {
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

  void write(const char* data, std::size_t size) noexcept {
    while (size > 0 && error_ == 0) {
      const ssize_t count = ::write(file_, data, size);
      if (count < 0 && errno != EINTR) error_ = errno;
      if (count > 0) {
        data += count;
        size -= std::size_t(count);
      }
    }
  }

  /// 0, or the errno of the first thing that failed.
  int finish() noexcept {
    if (file_ >= 0 && ::close(std::exchange(file_, -1)) != 0 && error_ == 0) error_ = errno;
    if (error_ == 0 && renames_ && std::rename(current_.c_str(), final_.c_str()) != 0) error_ = errno;
    if (error_ == 0) remove_ = false;
    return error_;
  }

 private:
  std::string final_, current_;
  bool renames_ = false, remove_ = false;
  int file_ = -1, error_ = 0;
};

inline void write_png_bytes(void* file, void* data, int size) {
  static_cast<PendingFile*>(file)->write(static_cast<const char*>(data), std::size_t(size));
}

}  // namespace detail

LA_INLINE void write_png(const std::string& path, const Image& image) {
  constexpr i64 kMaxBytes = i64{1} << 30;  // the encoder counts in int and grows its buffer by doubling
  require(image.width > 0 && image.height > 0 && image.width < kMaxBytes / 4 &&
              image.height <= kMaxBytes / (3 * image.width + 1),
          path, ": expected a picture of 1 to ", kMaxBytes, " bytes, found ", image.width, "x", image.height);
  detail::PendingFile file(path);
  const int encoded = detail::stb_writer::stbi_write_png_to_func(detail::write_png_bytes, &file,
                                                                 int(image.width), int(image.height), 3,
                                                                 image.pixels.data(), int(3 * image.width));
  require(encoded != 0, path, ": out of memory for a PNG of ", image.width, "x", image.height);
  if (const int error = file.finish(); error != 0) fail(path, ": cannot be written: ", std::strerror(error));
}

}  // namespace la
