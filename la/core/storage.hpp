#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "error.hpp"

namespace la::inline LA_ABI {

/// Cache line and widest vector: every allocation starts at a multiple of this.
inline constexpr std::size_t kAlignment = 64;
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

constexpr std::size_t round_up(std::size_t n, std::size_t to) noexcept {
  return (n + to - 1) / to * to;
}

/// Where large blocks come from, in a program that wants to place, count or bound them. Any thread may call it.
class MemoryResource {
 public:
  virtual ~MemoryResource() = default;
  /// `bytes` at a multiple of kAlignment.    error: null, or std::bad_alloc, when there are none
  virtual std::byte* allocate(std::size_t bytes) = 0;
  virtual void release(std::byte* block, std::size_t bytes) noexcept = 0;
};

namespace detail {

struct FreeStorage {
  std::size_t mapped = 0;                      // bytes, or 0 for a block of the heap
  std::shared_ptr<MemoryResource> resource{};  // that the block is from; lives as long
  void operator()(std::byte* p) const noexcept {
    if (resource)
      resource->release(p, mapped);
    else if (mapped > 0)
      ::munmap(p, mapped);
    else
      std::free(p);
  }
};

}  // namespace detail

/// An owning block of aligned host memory, not initialised.
///
/// Large blocks are mappings of their own, so that freeing one returns its memory to the system at once, or come from a
/// MemoryResource.
class Storage {
 public:
  static constexpr std::size_t kMapped = std::size_t{512} << 10;  ///< from this size on

  Storage() = default;

  /// fails: std::bad_alloc
  explicit Storage(std::size_t bytes, const std::shared_ptr<MemoryResource>& resource = nullptr)
      : size_(bytes) {
    if (bytes == 0) return;
    if (bytes > std::size_t{PTRDIFF_MAX} - 2 * kHugePage)
      throw std::bad_alloc();  // rounding up would wrap around
    if (bytes < kMapped)
      data_ = Owner(allocate(bytes), {});
    else
      data_ = resource ? Owner(resource->allocate(bytes), {bytes, resource}) : map(bytes);
    if (!data_) throw std::bad_alloc();
    zeroed_ = bytes >= kMapped && !resource;
  }

  /// At least `bytes`; when it grows, what it held is lost.    error: std::bad_alloc
  void grow(std::size_t bytes, const std::shared_ptr<MemoryResource>& resource) {
    if (size_ < bytes) *this = Storage(bytes, resource);
  }

  std::byte* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }
  /// Fresh from the system: zeros, in pages that whoever writes them first will touch.
  bool zeroed() const noexcept { return zeroed_; }

  template <class T>
  T* as() const noexcept {
    return reinterpret_cast<T*>(data_.get());
  }

 private:
  using Owner = std::unique_ptr<std::byte, detail::FreeStorage>;

  static std::byte* allocate(std::size_t bytes) noexcept {
    return static_cast<std::byte*>(std::aligned_alloc(kAlignment, round_up(bytes, kAlignment)));
  }

  static Owner map(std::size_t bytes) noexcept {
    constexpr std::size_t kLargestPage = std::size_t{64} << 10;  // of any CPU this runs on
    // Weights are read as long streams: huge pages halve the cost of first touching them and spare the TLB.
#if defined(__wasm__)  // has none, and unmaps only what was mapped at once
    const bool huge = false;
#else
    const bool huge = bytes >= 2 * kHugePage;
#endif
    const std::size_t size = round_up(bytes, kLargestPage), spare = huge ? kHugePage : 0;
    void* const p = ::mmap(nullptr, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return Owner(nullptr, {});
    std::byte* begin = static_cast<std::byte*>(p);
    if (huge) {
      const std::size_t before = round_up(std::size_t(begin), kHugePage) - std::size_t(begin);
      if (before > 0) ::munmap(begin, before);
      begin += before;
      if (spare > before) ::munmap(begin + size, spare - before);
#if defined(MADV_HUGEPAGE)  // Linux
      ::madvise(begin, size, MADV_HUGEPAGE);
#endif
    }
    return Owner(begin, {size});
  }

  Owner data_;
  std::size_t size_ = 0;
  bool zeroed_ = false;
};

}  // namespace la::inline LA_ABI
