#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <optional>

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

/// The encoded pictures used last, up to so many bytes.
class ImageCache {
 public:
  explicit ImageCache(std::size_t limit) : limit_(limit) {}

  std::optional<EncodedImage> find(const ImageKey& key);
  void keep(const ImageKey& key, const EncodedImage& image);

 private:
  struct Entry {
    ImageKey key;
    EncodedImage image;
    std::size_t bytes;
  };

  std::size_t limit_, used_ = 0;
  std::list<Entry> entries_;  // the last used first
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "image_cache.cpp"
#endif
