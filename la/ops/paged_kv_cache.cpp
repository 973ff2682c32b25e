#include "paged_kv_cache.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace la::inline LA_ABI {

LA_INLINE PagedKvCache::PagedKvCache(const KvShape& shape, std::shared_ptr<MemoryResource> memory)
    : KvCache(shape), memory_(std::move(memory)) {}

LA_INLINE i64 PagedKvCache::k_offset(i64 layer, i64 head) const noexcept {
  return (layer * shape_.heads + head) * kernels::kPageKeys * (shape_.head_size + padded_head_size());
}

LA_INLINE i64 PagedKvCache::page_floats() const noexcept {
  return k_offset(shape_.layers, 0);
}

LA_INLINE std::shared_ptr<Storage> PagedKvCache::new_page() const {
  return std::make_shared<Storage>(std::size_t(page_floats()) * sizeof(float), memory_);
}

LA_INLINE void PagedKvCache::own_page(std::size_t index) {
  if (index < pages_.size() && pages_[index].use_count() == 1) return;
  auto page = new_page();
  if (index < pages_.size()) {
    std::memcpy(page->data(), pages_[index]->data(), page->size());
  } else {
    // Slots without a key must hold finite numbers.
    if (!page->zeroed()) std::memset(page->data(), 0, page->size());
    pointers_.resize(index + 1);  // first: if there is no memory for the other, nobody sees one too many
    pages_.resize(index + 1);
  }
  pointers_[index] = page->as<float>();
  pages_[index] = std::move(page);
}

LA_INLINE void PagedKvCache::extend(i64 tokens) {
  for (i64 page = length_ / kernels::kPageKeys; page * kernels::kPageKeys < length_ + tokens; ++page)
    own_page(std::size_t(page));
  length_ += tokens;
}

LA_INLINE std::unique_ptr<KvCache> PagedKvCache::fork(i64 length) const {
  assert(length >= 0 && length <= length_);
  auto copy = std::make_unique<PagedKvCache>(shape_, memory_);
  const std::size_t whole = std::size_t(length / kernels::kPageKeys);
  const bool partial = length % kernels::kPageKeys != 0;
  copy->pages_.assign(pages_.begin(), pages_.begin() + std::ptrdiff_t(whole + partial));
  copy->pointers_.assign(pointers_.begin(), pointers_.begin() + std::ptrdiff_t(whole + partial));
  copy->length_ = length;
  if (partial) copy->own_page(whole);  // now, while this cache's next tokens are not in it yet
  return copy;
}

LA_INLINE std::size_t PagedKvCache::own_bytes(i64 tokens, i64 forked) const noexcept {
  const i64 pages = (tokens + kernels::kPageKeys - 1) / kernels::kPageKeys - forked / kernels::kPageKeys;
  return std::size_t(pages * page_floats()) * sizeof(float);
}

// Pages are kept for the tokens that follow: a block step drops and rewrites the same few.
LA_INLINE void PagedKvCache::truncate(i64 length) {
  length_ = length;
}

LA_INLINE void PagedKvCache::write(i64 layer, i64 head, i64 token, const float* k, i64 k_stride,
                                   const float* v, i64 v_stride) noexcept {
  float* page = pointers_[std::size_t(token / kernels::kPageKeys)];
  const i64 slot = token % kernels::kPageKeys, size = shape_.head_size;
  float* key =
      page + k_offset(layer, head) + slot / kernels::kPanel * size * kernels::kPanel + slot % kernels::kPanel;
  for (i64 d = 0; d < size; ++d) key[d * kernels::kPanel] = k[d * k_stride];
  float* value = page + v_offset(layer, head) + slot * kernels::kPanel;
  for (i64 d = 0; d < size; d += kernels::kPanel, value += kernels::kPageKeys * kernels::kPanel)
    for (i64 i = 0; i < std::min<i64>(kernels::kPanel, size - d); ++i) value[i] = v[(d + i) * v_stride];
}

}  // namespace la::inline LA_ABI
