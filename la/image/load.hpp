#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "../core/inline.hpp"
#include "image.hpp"

namespace la::inline LA_ABI {

enum class ExifOrientation { apply, ignore };

struct LoadOptions {
  /// Whether a JPEG is turned the way its EXIF metadata says. `ignore` is what the reference implementation
  /// does.
  ExifOrientation exif = ExifOrientation::apply;
  /// Checked against the header, before anything of that size is allocated.
  i64 max_pixels = i64{1} << 28;
  i64 max_file_bytes = i64{1} << 30;
};

/// Decodes a JPEG, PNG or BMP file held in memory; `name` stands for it in messages. Alpha is blended on
/// white
/// (`blend_on_white`), 16-bit samples keep their high byte, grey is replicated, CMYK is converted by
/// stb_image. error: empty, another format, over a limit, more pixels than its bytes can hold, damaged. A truncated file is refused, never filled
/// with grey.
Image decode_image(std::span<const std::byte> bytes, const std::string& name,
                   const LoadOptions& options = {});

/// The same for a file.
/// error: also when it cannot be read; every message starts with the path
Image load_image(const std::string& path, const LoadOptions& options = {});

/// One channel of a pixel of opacity `alpha` over white: c*a/255 + 255 - a, rounded.
constexpr std::uint8_t blend_on_white(std::uint8_t channel, std::uint8_t alpha) noexcept {
  const unsigned t = unsigned{channel} * alpha + 255u * (255u - alpha) + 128u;
  return std::uint8_t(((t >> 8) + t) >> 8);
}

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "load.cpp"
#endif
