#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "../core/inline.hpp"
#include "image.hpp"
#include "image_file.hpp"
#include "image_format.hpp"
#include "to_rgb.hpp"

namespace la::inline LA_ABI {

/// Decodes an image file held in memory; `name` stands for it in messages. The format is told by the first bytes:
/// JPEG, PNG and BMP always, WebP, HEIC, AVIF, GIF and TIFF where this was built with their libraries (`can_decode`).
/// Of several pictures the first is taken. Alpha is blended on white (`blend_on_white`), samples of more than 8 bits
/// keep the highest, grey is replicated, CMYK is converted as PIL does it. With libjpeg (LA_WITH_JPEG) a JPEG has the
/// pixels that PIL gives it, else those of stb_image.
/// error: empty, another format, over a limit, more pixels than its bytes can hold, damaged. A truncated file is
/// refused, never filled with grey.
Image decode_image(std::span<const std::byte> bytes, const std::string& name,
                   const LoadOptions& options = {});

/// The same without a name; in messages it is "picture".
inline Image load_image(std::span<const std::byte> bytes, const LoadOptions& options = {}) {
  return decode_image(bytes, "picture", options);
}

/// The same for a file.
/// error: also when it cannot be read; every message starts with the path
Image load_image(const std::string& path, const LoadOptions& options = {});

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "load.cpp"
#endif
