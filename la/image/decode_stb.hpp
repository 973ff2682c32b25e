#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "image.hpp"
#include "image_file.hpp"
#include "jpeg_segments.hpp"
#include "png_chunks.hpp"
#include "stb_reader.hpp"
#include "to_rgb.hpp"

// PNG and BMP, and JPEG where there is no libjpeg.
namespace la::inline LA_ABI::detail {

/// Feeds a decoder and notices when it asks for more than there is: stb_image would read zeros.
struct StbSource {
  std::span<const std::byte> bytes;
  std::size_t at = 0;
  bool ran_out = false;

  static int read(void* user, char* out, int size) {
    auto& self = *static_cast<StbSource*>(user);
    const std::size_t count = std::min(std::size_t(size), self.bytes.size() - self.at);
    if (count == 0) self.ran_out = true;
    if (count > 0) std::memcpy(out, self.bytes.data() + self.at, count);
    self.at += count;
    return int(count);
  }
  static void skip(void* user, int size) {
    auto& self = *static_cast<StbSource*>(user);
    self.at += std::min(std::size_t(std::max(size, 0)), self.bytes.size() - self.at);
  }
  static int eof(void* user) {
    const auto& self = *static_cast<StbSource*>(user);
    return self.at == self.bytes.size();
  }
  static constexpr stb_reader::stbi_io_callbacks kCallbacks{read, skip, eof};
};

[[noreturn]] inline void fail_stb(const ImageFile& file, const StbSource& source) {
  const std::string_view reason = stb_reader::stbi_failure_reason();
  if (source.ran_out || reason == "outofdata") file.fail_truncated();
  file.fail_damaged(std::string(reason));
}

/// No file of the format can hold more pixels: a JPEG needs a bit for each block of 8 x 8, and four times that leaves
/// room for files that lack blocks; deflate expands 1032 to 1 at most; a pixel takes a bit or more.
inline i64 max_pixels_per_byte(ImageFormat format) noexcept {
  switch (format) {
    case ImageFormat::jpeg:
      return 4 * 8 * 64;
    case ImageFormat::png:
      return 8 * 1032;
    default:
      return 8;
  }
}

/// error: fewer bytes than pixels of that number need
inline void check_pixels_fit(const ImageFile& file, i64 width, i64 height) {
  require(width * height <= i64(file.bytes.size()) * max_pixels_per_byte(file.format), file.name,
          ": truncated ", name_of(file.format), ", ", file.bytes.size(), " bytes cannot hold ", width, "x",
          height, " pixels");
}

/// A progressive JPEG has about ten; each takes the time of all its pixels, however short it is.
inline constexpr std::size_t kMaxJpegScans = 100;

inline void check_jpeg_scans(const ImageFile& file) {
  const std::size_t scans = count_jpeg_scans(file.bytes);
  require(scans <= kMaxJpegScans, file.name, ": expected a JPEG of at most ", kMaxJpegScans, " scans, found ",
          scans);
}

/// error: what stb_image would not refuse, or not for the reason
inline void check_png_chunks(const ImageFile& file) {
  std::size_t at = kPngSignatureBytes;
  bool ended = false;
  for (bool first = true; const auto chunk = next_png_chunk(file.bytes, at); first = false) {
    require(!first || chunk->type != "CgBI", file.name,
            ": a PNG in Apple's own variant (CgBI), whose colours are stored another way: expected a "
            "standard PNG");
    if (chunk->payload.size() < chunk->length) file.fail_truncated();
    ended = chunk->type == "IEND";
    if (ended) break;
    if (!first || chunk->type != "IHDR" || chunk->length < 8) continue;
    const auto side = [&](std::size_t i) { return i64(read_big_endian(chunk->payload.subspan(i, 4))); };
    file.check_size(side(0), side(4));
  }
  if (!ended) file.fail_truncated();
}

/// error: a BMP whose pixels are run-length encoded, or another file within it
inline void check_bmp_compression(const ImageFile& file) {
  constexpr std::size_t kCompression = 30;
  constexpr unsigned kBitFields = 3;
  if (file.bytes.size() < kCompression + 4 || file.bytes[14] == std::byte{12})
    return;  // the first kind has none
  const unsigned compression = std::to_integer<unsigned>(file.bytes[kCompression]);
  require(compression == 0 || compression == kBitFields, file.name,
          compression <= 2 ? ": a run-length encoded BMP: " : ": a compressed BMP: ",
          "expected one with its pixels as they are");
}

/// Width and height, checked.
inline std::pair<i64, i64> check_stb_header(const ImageFile& file) {
  if (file.format == ImageFormat::jpeg) {
    if (const char* fault = huffman_table_fault(file.bytes)) fail(file.name, ": damaged JPEG: ", fault);
    check_jpeg_scans(file);
  }
  if (file.format == ImageFormat::png) check_png_chunks(file);
  if (file.format == ImageFormat::bmp) check_bmp_compression(file);
  StbSource source{file.bytes};
  int width = 0, height = 0, channels = 0;
  if (!stb_reader::stbi_info_from_callbacks(&StbSource::kCallbacks, &source, &width, &height, &channels))
    fail_stb(file, source);
  const i64 rows = std::abs(i64{height});  // negative in a BMP stored from the top down
  file.check_size(width, rows);
  check_pixels_fit(file, width, rows);
  return {width, rows};
}

/// What a decoder may make a growing block into: the data of a PNG, collected from the file and then expanded to at
/// most 8 bytes a pixel and one a row of each pass; a block doubles until it fits.
inline std::size_t stb_growth_limit(std::span<const std::byte> bytes, i64 width, i64 height) noexcept {
  constexpr std::size_t kSlack = std::size_t{1} << 16;
  return 2 * (bytes.size() + std::size_t(8 * width * height + 16 * height)) + kSlack;
}

inline Image decode_stb(const ImageFile& file) {
  const auto [expected_width, expected_height] = check_stb_header(file);
  stb_reader::growth_limit = {stb_growth_limit(file.bytes, expected_width, expected_height), false};
  StbSource source{file.bytes};
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<std::uint8_t, void (*)(void*)> samples(
      stb_reader::stbi_load_from_callbacks(&StbSource::kCallbacks, &source, &width, &height, &channels, 0),
      stb_reader::stbi_image_free);
  if (stb_reader::growth_limit.refused)
    fail(file.name, ": damaged ", name_of(file.format), ": more data than its pixels take");
  if (!samples || source.ran_out) fail_stb(file, source);
  Image image(width, height);
  samples_to_rgb(samples.get(), channels, image.pixels);
  return image;
}

}  // namespace la::inline LA_ABI::detail
