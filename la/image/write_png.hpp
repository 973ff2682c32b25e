#pragma once

#include <string>

#include "../core/inline.hpp"
#include "image.hpp"

namespace la::inline LA_ABI {

/// Writes a PNG file. It is written beside the target under a temporary name and then renamed, so that a
/// failure leaves what was there before; a symbolic link is followed, and a device is written to directly.
/// error: an empty picture (see require_pixels), one over a gigabyte, or anything that goes wrong on the way to the disk
void write_png(const std::string& path, const Image& image);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "write_png.cpp"
#endif
