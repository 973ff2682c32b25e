#pragma once

#include <cassert>
#include <memory>
#include <vector>

#include "../../../kernels/cuda/arguments.hpp"
#include "../ops.hpp"
#include "driver.hpp"

namespace la::inline LA_ABI::cuda {

/// How the numbers of a key lie in a page, see kernels::cuda::KvPages.
struct KvFormat {
  int planes = 0;  ///< of 16 bits; 0: f32
  i64 row_bytes(i64 head_size) const noexcept {
    return planes == 0 ? head_size * i64(sizeof(float)) : planes * kernels::cuda::key_row(int(head_size)) * 2;
  }
  i64 element() const noexcept { return planes == 0 ? i64(sizeof(float)) : 2; }
};

/// Keys and values in pages of 64 tokens on the device, see kernels::cuda::KvPages. Forks share whole pages by reference; a
/// page that several caches hold is never written: it is copied first, on the device.
class DeviceKvCache final : public KvCache {
 public:
  DeviceKvCache(const KvShape& shape, std::shared_ptr<Driver> driver, KvFormat format)
      : KvCache(shape), driver_(std::move(driver)), format_(format) {}

  const KvFormat& format() const noexcept { return format_; }

  void extend(i64 tokens) override {
    for (i64 page = length_ / kernels::kPageKeys; page * kernels::kPageKeys < length_ + tokens; ++page)
      own_page(std::size_t(page));
    length_ += tokens;
    if (stale_) upload_table();  // now, before the launches of the pass
  }
  /// Pages are kept for the tokens that follow: a block step drops and rewrites the same few.
  void truncate(i64 length) override { length_ = length; }
  std::unique_ptr<KvCache> fork(i64 length) const override {
    assert(length >= 0 && length <= length_);
    auto copy = std::make_unique<DeviceKvCache>(shape_, driver_, format_);
    const std::size_t whole = std::size_t(length / kernels::kPageKeys);
    const bool partial = length % kernels::kPageKeys != 0;
    copy->pages_.assign(pages_.begin(), pages_.begin() + std::ptrdiff_t(whole + partial));
    copy->length_ = length;
    copy->stale_ = true;
    if (partial) copy->own_page(whole);  // now, while this cache's next tokens are not in it yet
    return copy;
  }
  std::size_t own_bytes(i64 tokens, i64 forked) const noexcept override {
    const i64 pages = (tokens + kernels::kPageKeys - 1) / kernels::kPageKeys - forked / kernels::kPageKeys;
    return std::size_t(pages) * page_bytes();
  }

  /// The addresses of the pages, for a kernel. Valid until the cache is extended.
  const std::uint64_t* pages() const {
    if (stale_) upload_table();
    return reinterpret_cast<const std::uint64_t*>(table_.get());
  }
  /// Elements from the start of a page to a layer's keys; the same in every cache of this shape.
  i64 layer_offset(i64 layer) const noexcept { return layer * layer_bytes() / format_.element(); }

 private:
  i64 layer_bytes() const noexcept {
    return shape_.heads * 2 * kernels::kPageKeys * format_.row_bytes(shape_.head_size);
  }
  std::size_t page_bytes() const noexcept { return std::size_t(shape_.layers * layer_bytes()); }

  /// A page of this index that nobody else holds.
  void own_page(std::size_t index) {
    if (index < pages_.size() && pages_[index].use_count() == 1) return;
    std::shared_ptr<std::byte> page = driver_->allocate(page_bytes());
    if (index < pages_.size()) {
      driver_->copy(pages_[index].get(), page.get(), page_bytes());
      pages_[index] = std::move(page);
    } else {
      driver_->clear(page.get(), page_bytes());  // slots without a key must hold finite numbers
      pages_.push_back(std::move(page));
    }
    stale_ = true;
  }

  void upload_table() const {
    std::vector<std::uint64_t> addresses;
    for (const auto& page : pages_) addresses.push_back(reinterpret_cast<std::uintptr_t>(page.get()));
    if (addresses.size() > room_) {
      table_ = driver_->allocate(2 * addresses.size() * sizeof(std::uint64_t));
      room_ = 2 * addresses.size();
    }
    if (!addresses.empty())
      driver_->upload(addresses.data(), table_.get(), addresses.size() * sizeof(std::uint64_t));
    stale_ = false;
  }

  std::shared_ptr<Driver> driver_;
  KvFormat format_;
  std::vector<std::shared_ptr<std::byte>> pages_;
  mutable std::shared_ptr<std::byte> table_;  // the addresses of the pages, on the device
  mutable std::size_t room_ = 0;
  mutable bool stale_ = true;
};

}  // namespace la::inline LA_ABI::cuda
