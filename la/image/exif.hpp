#pragma once

#include <cstddef>
#include <span>

#include "../core/inline.hpp"
#include "image.hpp"

namespace la::inline LA_ABI {

/// The EXIF orientation, 1 to 8, of a JPEG, PNG or WebP file. 1 (as stored) when there is none or when the metadata is
/// malformed: a picture is not refused for its metadata.
/// source: CIPA DC-008 (Exif 2.32), 4.6.4 tag 0x0112
int exif_orientation(std::span<const std::byte> file) noexcept;

/// The picture as it is meant to be shown: mirrored and turned as orientation 2 to 8 says; 1 changes nothing.
Image apply_orientation(Image stored, int orientation);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "exif.cpp"
#endif
