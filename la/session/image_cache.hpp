#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <optional>

#include "../core/fork.hpp"
#include "../core/inline.hpp"
#include "request.hpp"

namespace la::inline LA_ABI {

/// What a picture looks like: 128 bits of its pixels, its size, and the side it is shrunk to.
struct ImageKey {
  std::array<std::uint64_t, 2> hash{};
  i64 width = 0, height = 0, max_side = 0;

  bool operator==(const ImageKey&) const = default;
};

/// The same for all views of the same RGB pixels.
/// cost: one pass over the pixels
ImageKey key_of(const ImageView& image, i64 max_side);

/// Encoded pictures, up to so many bytes: the newest, and those that were asked for since they last stood to go.
class ImageCache {
 public:
  explicit ImageCache(std::size_t limit) : limit_(limit) {}

  /// For any thread; none also when another one is here just now.
  std::optional<EncodedImage> find_at_once(const ImageKey& key);
  /// For one thread at a time, as keep.
  std::optional<EncodedImage> find(const ImageKey& key);
  void keep(const ImageKey& key, const EncodedImage& image);

 private:
  struct Entry {
    ImageKey key;
    EncodedImage image;
    std::size_t bytes;
    bool asked_for = false;
  };

  std::optional<EncodedImage> look(const ImageKey& key);
  void lock();

  ForkMutex mutex_;  // held for moments
  std::size_t limit_, used_ = 0;
  std::list<Entry> entries_;  // the newest first
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "image_cache.cpp"
#endif
