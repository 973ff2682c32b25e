#include "jpeg_segments.hpp"

#include <algorithm>
#include <cstring>

namespace la::inline LA_ABI {

LA_INLINE std::optional<JpegSegment> next_jpeg_segment(std::span<const std::byte> jpeg,
                                                       std::size_t& at) noexcept {
  const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(jpeg[i]); };
  // Not a segment: 0x00 is a stuffed byte, 0xff a fill byte, 0xd0 to 0xd8 have no payload.
  const auto begins_segment = [&](std::size_t i) {
    const unsigned marker = byte(i + 1);
    return byte(i) == 0xff && marker != 0x00 && marker != 0xff && (marker < 0xd0 || marker > 0xd8);
  };
  while (at + 4 <= jpeg.size() && !begins_segment(at)) {
    const void* next = std::memchr(jpeg.data() + at + 1, 0xff, jpeg.size() - at - 1);
    at = next ? std::size_t(static_cast<const std::byte*>(next) - jpeg.data()) : jpeg.size();
  }
  if (at + 4 > jpeg.size() || byte(at + 1) == 0xd9) return std::nullopt;
  const std::size_t length = byte(at + 2) << 8 | byte(at + 3);  // counts its own two bytes
  if (length < 2) return std::nullopt;
  JpegSegment segment{byte(at + 1), at + 4, length - 2, {}};
  segment.payload = jpeg.subspan(segment.begin, std::min(segment.length, jpeg.size() - segment.begin));
  at = std::min(segment.begin + segment.length, jpeg.size());
  return segment;
}

LA_INLINE std::size_t count_jpeg_scans(std::span<const std::byte> jpeg) noexcept {
  constexpr unsigned kStartOfScan = 0xda;
  std::size_t scans = 0, at = 0;
  while (const auto segment = next_jpeg_segment(jpeg, at)) scans += segment->marker == kStartOfScan;
  return scans;
}

LA_INLINE const char* huffman_table_fault(std::span<const std::byte> jpeg) noexcept {
  constexpr unsigned kDefineHuffmanTables = 0xc4;
  const auto byte = [&](std::size_t i) {
    return i < jpeg.size() ? std::to_integer<std::size_t>(jpeg[i]) : 0;
  };
  std::size_t at = 0;
  while (const auto segment = next_jpeg_segment(jpeg, at)) {
    if (segment->marker != kDefineHuffmanTables) continue;
    // A decoder reads whole tables (class, 16 counts, symbols), even beyond the length of the segment.
    const std::size_t end = segment->begin + segment->length;
    for (std::size_t table = segment->begin; table < end;) {
      const std::size_t symbols = table + 17;
      std::size_t codes = 0;
      for (std::size_t i = table + 1; i < symbols; ++i) codes += byte(i);
      if (codes > 256) return "a Huffman table has more than 256 codes";
      const bool first_coefficients = byte(table) >> 4 == 0;
      for (std::size_t i = symbols; i < symbols + codes; ++i)
        if (first_coefficients && byte(i) > 11)
          return "a Huffman table has first coefficients of more than 11 bits";
      table = symbols + codes;
    }
  }
  return nullptr;
}

}  // namespace la::inline LA_ABI
