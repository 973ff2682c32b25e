#include "mapped_file.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "error.hpp"

namespace la::inline LA_ABI {

LA_INLINE MappedFile MappedFile::open(const FileRef& ref) {
  const std::string& path = ref.path;
  MappedFile mapped;
  mapped.file_ = InputFile::open(ref);
  const std::size_t size = mapped.file_.size();
  if (const std::byte* memory = mapped.file_.memory()) {
    mapped.data_ = memory;
    return mapped;
  }
  if (size == 0) return mapped;
  void* p = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, mapped.file_.descriptor(), 0);
  if (p == MAP_FAILED) fail(path, ": cannot be mapped: ", std::strerror(errno));
  mapped.data_ = static_cast<const std::byte*>(p);
  mapped.range_ = detail::add_mapped_range(p, size);
  return mapped;
}

LA_INLINE MappedFile::MappedFile(MappedFile&& other) noexcept {
  *this = std::move(other);
}

LA_INLINE MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(data_, other.data_);
  std::swap(range_, other.range_);
  return *this;
}

LA_INLINE MappedFile::~MappedFile() {
  detail::remove_mapped_range(range_);
  if (data_ && !file_.memory()) ::munmap(const_cast<std::byte*>(data_), file_.size());
}

LA_INLINE void MappedFile::require_whole() const {
  file_.require_whole();
  require(!range_ || !range_->cut, path(), ": expected ", file_.size(),
          " bytes as when it was opened, found fewer for a while: it was cut short while it was in use");
}

LA_INLINE void MappedFile::release(std::span<const std::byte> range) const noexcept {
  if (file_.memory()) return;  // its pages would come back as zeros
  // Whole pages inside the range only: its neighbours may still be in use.
  const auto page = std::uintptr_t(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(range.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(range.data() + range.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace la::inline LA_ABI
