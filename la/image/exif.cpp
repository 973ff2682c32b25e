#include "exif.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "image_format.hpp"
#include "jpeg_segments.hpp"
#include "png_chunks.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// A TIFF block (the payload of an Exif segment) or another of numbers; a read outside it yields nothing and clears `ok`.
struct TiffReader {
  std::span<const std::byte> bytes;
  bool big_endian = false;
  bool ok = true;

  std::uint32_t read(std::size_t offset, std::size_t count) noexcept {
    if (offset > bytes.size() || bytes.size() - offset < count) {
      ok = false;
      return 0;
    }
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = big_endian ? offset + i : offset + count - 1 - i;
      value = (value << 8) | std::to_integer<std::uint32_t>(bytes[at]);
    }
    return value;
  }
};

inline int tiff_orientation(std::span<const std::byte> tiff) noexcept {
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3, kLong = 4;  // phones write either
  TiffReader reader{tiff};
  const std::uint32_t order = reader.read(0, 2);
  if (order != 0x4949 && order != 0x4d4d) return 1;  // "II", "MM"
  reader.big_endian = order == 0x4d4d;
  if (reader.read(2, 2) != 42) return 1;
  const std::size_t directory = reader.read(4, 4);
  const std::uint32_t entries = reader.read(directory, 2);
  for (std::uint32_t i = 0; i < entries && reader.ok; ++i) {
    const std::size_t entry = directory + 2 + 12 * std::size_t(i);
    if (reader.read(entry, 2) != kOrientation) continue;
    const std::uint32_t type = reader.read(entry + 2, 2);
    if (type != kShort && type != kLong) continue;
    const std::uint32_t value = reader.read(entry + 8, type == kShort ? 2 : 4);
    return reader.ok && value >= 1 && value <= 8 ? int(value) : 1;
  }
  return 1;
}

inline bool has_exif_prefix(std::span<const std::byte> payload) noexcept {
  return payload.size() >= 6 && std::memcmp(payload.data(), "Exif\0\0", 6) == 0;
}

inline std::span<const std::byte> jpeg_exif(std::span<const std::byte> jpeg) noexcept {
  constexpr unsigned kApp1 = 0xe1, kStartOfScan = 0xda;
  std::size_t at = 0;
  while (const auto segment = next_jpeg_segment(jpeg, at)) {
    if (segment->marker == kStartOfScan) break;
    if (segment->marker == kApp1 && has_exif_prefix(segment->payload)) return segment->payload;
  }
  return {};
}

inline std::span<const std::byte> png_exif(std::span<const std::byte> png) noexcept {
  std::size_t at = kPngSignatureBytes;
  while (const auto chunk = next_png_chunk(png, at))
    if (chunk->type == "eXIf") return chunk->payload;
  return {};
}

inline std::span<const std::byte> webp_exif(std::span<const std::byte> webp) noexcept {
  constexpr std::size_t kFileHeader = 12, kChunkHeader = 8;
  for (std::size_t at = kFileHeader; at <= webp.size() && webp.size() - at >= kChunkHeader;) {
    const std::size_t length = TiffReader{webp}.read(at + 4, 4);
    const std::span<const std::byte> rest = webp.subspan(at + kChunkHeader);
    if (std::memcmp(webp.data() + at, "EXIF", 4) == 0) return rest.first(std::min(length, rest.size()));
    at += kChunkHeader + length + length % 2;
  }
  return {};
}

/// The file's EXIF block; empty when there is none.
inline std::span<const std::byte> find_exif(std::span<const std::byte> file) noexcept {
  switch (sniff_image_format(file).value_or(ImageFormat::bmp)) {
    case ImageFormat::jpeg:
      return jpeg_exif(file);
    case ImageFormat::png:
      return png_exif(file);
    case ImageFormat::webp:
      return webp_exif(file);
    default:
      return {};
  }
}

}  // namespace detail

LA_INLINE int exif_orientation(std::span<const std::byte> file) noexcept {
  const std::span<const std::byte> exif = detail::find_exif(file);
  return detail::tiff_orientation(detail::has_exif_prefix(exif) ? exif.subspan(6) : exif);
}

LA_INLINE Image apply_orientation(Image stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  const bool transposed = orientation >= 5;
  const bool mirror_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image shown = transposed ? Image(stored.height, stored.width) : Image(stored.width, stored.height);
  for (i64 y = 0; y < shown.height; ++y) {
    std::uint8_t* to = shown.row(y);
    for (i64 x = 0; x < shown.width; ++x, to += 3) {
      i64 from_x = transposed ? y : x, from_y = transposed ? x : y;
      if (mirror_x) from_x = stored.width - 1 - from_x;
      if (mirror_y) from_y = stored.height - 1 - from_y;
      std::memcpy(to, stored.row(from_y) + 3 * from_x, 3);
    }
  }
  return shown;
}

}  // namespace la::inline LA_ABI
