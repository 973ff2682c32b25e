#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// A marker segment of a JPEG file.
struct JpegSegment {
  unsigned marker = 0;                 ///< its second byte: 0xe1 is APP1
  std::size_t begin = 0, length = 0;   ///< the payload, as the file declares it; it may be cut short
  std::span<const std::byte> payload;  ///< what the file has of it
};

/// The first segment at or after `at`, which moves behind it. Entropy-coded data and fill bytes are passed over.
/// Nothing at the end of the image or of the file.
std::optional<JpegSegment> next_jpeg_segment(std::span<const std::byte> jpeg, std::size_t& at) noexcept;

/// How many times a JPEG goes over its pixels: once, once a channel, or about ten times when it is progressive.
std::size_t count_jpeg_scans(std::span<const std::byte> jpeg) noexcept;

/// What is wrong with a Huffman table, or null. stb_image relies on at most 256 codes, which is what 8-bit symbols allow,
/// and computes with first coefficients of any size, of which 8-bit pictures have at most 11 bits.
/// source: ITU-T T.81, B.2.4.2 and F.1.2.1
const char* huffman_table_fault(std::span<const std::byte> jpeg) noexcept;

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "jpeg_segments.cpp"
#endif
