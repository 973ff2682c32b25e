#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/tensor.hpp"

namespace la::inline LA_ABI {

/// A picture: 8-bit RGB, row-major, no padding between rows.
struct Image {
  i64 width = 0, height = 0;
  std::vector<std::uint8_t> pixels;  ///< [height][width][3]

  Image() = default;
  /// A black picture.
  Image(i64 width_, i64 height_)
      : width(width_), height(height_), pixels(std::size_t(width_) * std::size_t(height_) * 3) {}

  std::uint8_t* row(i64 y) noexcept { return pixels.data() + y * width * 3; }
  const std::uint8_t* row(i64 y) const noexcept { return pixels.data() + y * width * 3; }

  bool operator==(const Image&) const = default;
};

}  // namespace la::inline LA_ABI
