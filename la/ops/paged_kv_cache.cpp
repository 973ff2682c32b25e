#include "paged_kv_cache.hpp"

#include <cstring>

namespace la {

LA_INLINE PagedKvCache::PagedKvCache(const KvShape& shape) : KvCache(shape) {}

LA_INLINE i64 PagedKvCache::k_offset(i64 layer, i64 head) const noexcept {
  return (layer * shape_.heads + head) * kernels::kPageKeys * (shape_.head_size + padded_head_size());
}

LA_INLINE i64 PagedKvCache::page_floats() const noexcept { return k_offset(shape_.layers, 0); }

LA_INLINE void PagedKvCache::extend(i64 tokens) {
  const i64 pages = (length_ + tokens + kernels::kPageKeys - 1) / kernels::kPageKeys;
  while (i64(pages_.size()) < pages) {
    auto page = std::make_shared<Storage>(std::size_t(page_floats()) * sizeof(float));
    std::memset(page->data(), 0, page->size());  // slots without a key must hold finite numbers
    pointers_.push_back(page->as<float>());
    pages_.push_back(std::move(page));
  }
  length_ += tokens;
}

// Pages are kept for the tokens that follow: a block step drops and rewrites the same few.
LA_INLINE void PagedKvCache::truncate(i64 length) { length_ = length; }

LA_INLINE void PagedKvCache::write(i64 layer, i64 head, i64 token, const float* k, i64 k_stride, const float* v,
                                   i64 v_stride) noexcept {
  float* page = pointers_[std::size_t(token / kernels::kPageKeys)];
  const i64 slot = token % kernels::kPageKeys, size = shape_.head_size;
  float* key = page + k_offset(layer, head) + slot / kernels::kPanel * size * kernels::kPanel + slot % kernels::kPanel;
  for (i64 d = 0; d < size; ++d) key[d * kernels::kPanel] = k[d * k_stride];
  float* value = page + v_offset(layer, head) + slot * kernels::kPanel;
  for (i64 d = 0; d < size; ++d)
    value[d / kernels::kPanel * kernels::kPageKeys * kernels::kPanel + d % kernels::kPanel] = v[d * v_stride];
}

}  // namespace la
