#pragma once

#include <memory>
#include <vector>

#include "../core/inline.hpp"
#include "../core/storage.hpp"
#include "ops.hpp"

namespace la::inline LA_ABI {

/// Keys and values in pages of 64 tokens, laid out as kernels::Attention reads them: in a page, for every layer and
/// head, the K panels and then the V panels. Pages start at multiples of 64, so how a sequence was fed in never
/// changes which keys are summed together. A page that several caches hold is never written: it is copied first.
class PagedKvCache final : public KvCache {
 public:
  explicit PagedKvCache(const KvShape& shape, std::shared_ptr<MemoryResource> memory = nullptr);

  void extend(i64 tokens) override;
  void truncate(i64 length) override;
  /// Shares whole pages; the last one, if it is not full, is copied.
  std::unique_ptr<KvCache> fork(i64 length) const override;
  std::size_t own_bytes(i64 tokens, i64 forked) const noexcept override;

  /// Writes one token's D values of K and V.
  void write(i64 layer, i64 head, i64 token, const float* k, i64 k_stride, const float* v,
             i64 v_stride) noexcept;

  const float* const* pages() const noexcept { return pointers_.data(); }
  /// Floats from the start of a page to K and to V of a layer and head.
  i64 k_offset(i64 layer, i64 head) const noexcept;
  i64 v_offset(i64 layer, i64 head) const noexcept {
    return k_offset(layer, head) + kernels::kPageKeys * shape_.head_size;
  }

 private:
  i64 padded_head_size() const noexcept {
    return i64(round_up(std::size_t(shape_.head_size), kernels::kPanel));
  }
  i64 page_floats() const noexcept;
  std::shared_ptr<Storage> new_page() const;
  /// A page of this index that nobody else holds.
  void own_page(std::size_t index);

  std::shared_ptr<MemoryResource> memory_;
  std::vector<std::shared_ptr<Storage>> pages_;
  std::vector<float*> pointers_;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "paged_kv_cache.cpp"
#endif
