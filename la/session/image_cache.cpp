#include "image_cache.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace la::inline LA_ABI {
namespace detail {

/// One step of a 64-bit hash. source: MurmurHash3's 64-bit finaliser
inline std::uint64_t mix_image_bits(std::uint64_t h, std::uint64_t value) noexcept {
  h ^= value;
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
  return h ^ (h >> 33);
}

}  // namespace detail

LA_INLINE ImageKey key_of(const ImageView& image, i64 max_side) {
  ImageKey key{{0x9e3779b97f4a7c15u, 0xd1b54a32d192ed03u}, image.width, image.height, max_side};
  const std::size_t size = std::size_t(3 * image.width);
  std::vector<std::uint8_t> scratch(size);
  for (i64 y = 0; y < image.height; ++y) {
    const std::uint8_t* row = detail::rgb_pixels(image, y, 0, image.width, scratch.data());
    for (std::size_t at = 0; at < size; at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, row + at, std::min<std::size_t>(8, size - at));
      key.hash[0] = detail::mix_image_bits(key.hash[0], word);
      key.hash[1] = detail::mix_image_bits(key.hash[1], word + 0x9e3779b97f4a7c15u);
    }
  }
  return key;
}

LA_INLINE std::optional<EncodedImage> ImageCache::look(const ImageKey& key) {
  for (Entry& entry : entries_) {
    if (entry.key != key) continue;
    entry.asked_for = true;
    return entry.image;
  }
  return std::nullopt;
}

LA_INLINE void ImageCache::lock() {
  while (!mutex_.try_lock_or_inherit()) std::this_thread::yield();
}

LA_INLINE std::optional<EncodedImage> ImageCache::find_at_once(const ImageKey& key) {
  if (!mutex_.try_lock_or_inherit()) return std::nullopt;
  const std::unique_lock lock(mutex_, std::adopt_lock);
  return look(key);
}

LA_INLINE std::optional<EncodedImage> ImageCache::find(const ImageKey& key) {
  lock();
  const std::unique_lock lock(mutex_, std::adopt_lock);
  return look(key);
}

LA_INLINE void ImageCache::keep(const ImageKey& key, const EncodedImage& image) {
  const std::size_t bytes = std::size_t(image.rows.size()) * sizeof(float);
  if (bytes > limit_) return;
  std::list<Entry> added{{key, image, bytes}}, dropped;  // made and destroyed without the mutex
  lock();
  const std::unique_lock lock(mutex_, std::adopt_lock);
  used_ += bytes;
  while (used_ > limit_) {
    const auto last = std::prev(entries_.end());
    if (std::exchange(last->asked_for, false)) {
      entries_.splice(entries_.begin(), entries_, last);
    } else {
      used_ -= last->bytes;
      dropped.splice(dropped.end(), entries_, last);
    }
  }
  entries_.splice(entries_.begin(), added);
}

}  // namespace la::inline LA_ABI
