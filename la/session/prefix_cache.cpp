#include "prefix_cache.hpp"

#include <algorithm>

namespace la::inline LA_ABI {
namespace detail {

/// Also right when both are expired: the control block is compared, not an address that may have been used again.
inline bool same_memory(const PlacedImage& a, const PlacedImage& b) noexcept {
  return !a.memory.owner_before(b.memory) && !b.memory.owner_before(a.memory);
}

inline bool same_images(const Prefix& a, const Prefix& b) noexcept {
  return std::equal(a.images.begin(), a.images.end(), b.images.begin(), b.images.end(), same_memory);
}

inline bool images_gone(const Prefix& prefix) noexcept {
  return std::any_of(prefix.images.begin(), prefix.images.end(),
                     [](const PlacedImage& image) { return image.memory.expired(); });
}

}  // namespace detail

LA_INLINE i64 common_prefix(const PromptView& a, const PromptView& b) noexcept {
  i64 common = std::mismatch(a.ids.begin(), a.ids.end(), b.ids.begin(), b.ids.end()).first - a.ids.begin();
  for (std::size_t i = 0; i < std::max(a.images.size(), b.images.size()); ++i) {
    const PlacedImage* x = i < a.images.size() ? &a.images[i] : nullptr;
    const PlacedImage* y = i < b.images.size() ? &b.images[i] : nullptr;
    if (x && y && x->first == y->first && x->count == y->count && detail::same_memory(*x, *y)) continue;
    if (x) common = std::min(common, x->first);
    if (y) common = std::min(common, y->first);
    break;
  }
  return common;
}

LA_INLINE PrefixCache::Match PrefixCache::find(const PromptView& prompt) {
  auto best = prefixes_.end();
  i64 tokens = 0;
  for (auto prefix = prefixes_.begin(); prefix != prefixes_.end(); ++prefix) {
    const i64 common = std::min(common_prefix(prompt, (*prefix)->view()), i64(prompt.ids.size()) - 1);
    if (common <= tokens) continue;
    best = prefix;
    tokens = common;
  }
  if (best == prefixes_.end()) return {};
  prefixes_.splice(prefixes_.begin(), prefixes_, best);
  return {prefixes_.front(), tokens};
}

LA_INLINE void PrefixCache::keep(Handle prefix) {
  prefixes_.remove_if([&](const Handle& other) { return detail::same_images(*other, *prefix); });
  prefixes_.push_front(std::move(prefix));
}

LA_INLINE void PrefixCache::trim() {
  prefixes_.remove_if([](const Handle& prefix) { return detail::images_gone(*prefix); });
  while (prefixes_.size() > entries_) prefixes_.pop_back();
}

LA_INLINE bool PrefixCache::drop_oldest(const Handle& except) {
  for (auto prefix = prefixes_.rbegin(); prefix != prefixes_.rend(); ++prefix) {
    if (*prefix == except) continue;
    prefixes_.erase(std::next(prefix).base());
    return true;
  }
  return false;
}

}  // namespace la::inline LA_ABI
