#include "input_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "error.hpp"

namespace la::inline LA_ABI {

LA_INLINE InputFile InputFile::open(const FileRef& ref) {
  static constexpr std::byte kNothing{};
  const std::string& path = ref.path;
  InputFile file;
  file.path_ = path;
  if (ref.bytes) {
    file.memory_ = ref.bytes->empty() ? &kNothing : ref.bytes->data();
    file.size_ = ref.bytes->size();
    return file;
  }
  // Without waiting: the other end of a FIFO may never come. Regular files do not mind.
  do file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  while (file.descriptor_ < 0 && errno == EINTR);
  if (file.descriptor_ < 0) fail(path, ": ", std::strerror(errno));
  struct stat info {};
  require(::fstat(file.descriptor_, &info) == 0 && S_ISREG(info.st_mode), path, ": expected a regular file");
  file.size_ = std::size_t(info.st_size);
  return file;
}

LA_INLINE InputFile::InputFile(InputFile&& other) noexcept {
  *this = std::move(other);
}

LA_INLINE InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  return *this;
}

LA_INLINE InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

LA_INLINE void InputFile::fail_cut(std::size_t found) const {
  fail(path_, ": expected ", size_, " bytes as when it was opened, found ", found,
       ": it was cut short while it was in use");
}

LA_INLINE void InputFile::require_whole() const {
  if (memory_) return;
  struct stat info {};
  require(::fstat(descriptor_, &info) == 0, path_, ": ", std::strerror(errno));
  if (std::size_t(info.st_size) < size_) fail_cut(std::size_t(info.st_size));
}

LA_INLINE void InputFile::read(char* out) const {
  if (memory_) {
    if (size_ > 0) std::memcpy(out, memory_, size_);
    return;
  }
  for (std::size_t at = 0; at < size_;) {
    const ssize_t count = ::pread(descriptor_, out + at, size_ - at, off_t(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path_, ": ", std::strerror(errno));
    if (count == 0) fail_cut(at);
    at += std::size_t(count);
  }
}

LA_INLINE std::string read_whole_file(const FileRef& ref, std::size_t max_bytes) {
  const InputFile file = InputFile::open(ref);
  require(file.size() <= max_bytes, ref.path, ": expected at most ", max_bytes, " bytes, found ",
          file.size());
  std::string bytes(file.size(), '\0');
  file.read(bytes.data());
  return bytes;
}

}  // namespace la::inline LA_ABI
