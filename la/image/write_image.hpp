#pragma once

#include <string>

#include "../core/inline.hpp"
#include "image.hpp"
#include "image_format.hpp"

namespace la::inline LA_ABI {

/// What write_image makes of a file of this name: JPEG when it ends in .jpg or .jpeg, PNG when it ends in .png or has no
/// ending (a device, a pipe).
/// error: (usage) another ending
ImageFormat written_format(const std::string& path);

/// Writes the picture in the format of the file's name, in the way of write_png; a JPEG has quality 95 and no chroma
/// subsampling.
/// error: as written_format and write_png; a JPEG of more than 65,535 pixels a side
void write_image(const std::string& path, const Image& image);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "write_image.cpp"
#endif
