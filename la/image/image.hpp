#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/tensor.hpp"

namespace la::inline LA_ABI {

namespace detail {

inline constexpr i64 kMaxImageSide = i64{1}
                                     << 30;  // three bytes for each pixel of a square still count in i64

inline std::size_t pixel_bytes(i64 width, i64 height) {
  if (width < 0 || height < 0 || width > kMaxImageSide || height > kMaxImageSide)
    fail_usage("picture: expected sides of 0 to ", kMaxImageSide, " pixels, found ", width, "x", height);
  return std::size_t(width) * std::size_t(height) * 3;
}

}  // namespace detail

/// A picture: 8-bit RGB, row-major, no padding between rows.
struct Image {
  i64 width = 0, height = 0;
  std::vector<std::uint8_t> pixels;  ///< [height][width][3]

  Image() = default;
  /// A black picture.    error: (usage) a side below 0 or above 2^30
  Image(i64 width_, i64 height_)
      : width(width_), height(height_), pixels(detail::pixel_bytes(width_, height_)) {}

  std::uint8_t* row(i64 y) noexcept { return pixels.data() + y * width * 3; }
  const std::uint8_t* row(i64 y) const noexcept { return pixels.data() + y * width * 3; }

  bool operator==(const Image&) const = default;
};

/// What every function that takes a picture asks of it: its fields are the caller's, and one that was moved from keeps
/// its sides.
/// error: (usage) no pixels, or not width * height * 3 bytes; `place` begins the message
inline void require_pixels(const Image& image, std::string_view place) {
  if (image.width > 0 && image.height > 0 && image.width <= detail::kMaxImageSide &&
      image.height <= detail::kMaxImageSide &&
      image.pixels.size() == std::size_t(image.width * image.height * 3))
    return;
  fail_usage(place, ": expected a picture with 3 bytes for each pixel, found ", image.width, "x",
             image.height, " with ", image.pixels.size(), " bytes");
}

}  // namespace la::inline LA_ABI
