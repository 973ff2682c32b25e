#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "lasting_memory.hpp"

// Take the place of emscripten's, which map no file of 2 GB and take addresses above that for errors. A file is copied; the
// memory of a large one is for good.

namespace {

constexpr std::size_t kPage = 64 << 10;
constexpr std::size_t kLarge = std::size_t{PTRDIFF_MAX} - (1 << 20);  // more than malloc gives

/// In parts, as a count that comes back is signed. Returns whether all was there.
bool read_all(int descriptor, std::byte* out, std::size_t size, off_t offset) {
  constexpr std::size_t kMost = std::size_t{1} << 30;
  for (std::size_t at = 0; at < size;) {
    const ssize_t count = ::pread(descriptor, out + at, std::min(size - at, kMost), offset + off_t(at));
    if (count <= 0) return false;
    at += std::size_t(count);
  }
  return true;
}

}  // namespace

extern "C" {

void* mmap(void*, std::size_t size, int, int flags, int descriptor, off_t offset) {
  const bool anonymous = flags & MAP_ANONYMOUS;
  if ((flags & MAP_FIXED) || !(flags & MAP_PRIVATE) || size == 0) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  std::byte* memory = nullptr;
  if (size < kLarge)
    memory = static_cast<std::byte*>(std::aligned_alloc(kPage, (size + kPage - 1) / kPage * kPage));
  else if (!anonymous)
    memory = la::cli::lasting_memory(size);
  if (!memory) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  if (anonymous) return std::memset(memory, 0, size);
  if (read_all(descriptor, memory, size, offset)) return memory;
  if (size < kLarge) std::free(memory);
  errno = EIO;
  return MAP_FAILED;
}

int munmap(void* memory, std::size_t size) {
  if (size < kLarge) std::free(memory);
  return 0;
}
}
