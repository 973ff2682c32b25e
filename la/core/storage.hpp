#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "error.hpp"

namespace la {

/// Cache line and widest vector: every allocation starts at a multiple of this.
inline constexpr std::size_t kAlignment = 64;
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

constexpr std::size_t round_up(std::size_t n, std::size_t to) noexcept { return (n + to - 1) / to * to; }

/// An owning block of aligned host memory, not initialised.
class Storage {
 public:
  Storage() = default;

  /// fails: std::bad_alloc
  explicit Storage(std::size_t bytes) : size_(bytes) {
    if (bytes == 0) return;
    if (bytes > std::size_t{PTRDIFF_MAX} - kHugePage) throw std::bad_alloc();  // rounding up would wrap around
    // Weights are read as long streams: huge pages halve the cost of first touching them and spare the TLB.
    const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kAlignment;
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, round_up(bytes, alignment))));
    if (!data_) throw std::bad_alloc();
    if (alignment == kHugePage) ::madvise(data_.get(), bytes, MADV_HUGEPAGE);
  }

  std::byte* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }

  template <class T>
  T* as() const noexcept {
    return reinterpret_cast<T*>(data_.get());
  }

 private:
  struct Free {
    void operator()(std::byte* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace la
