#include "load.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../core/input_file.hpp"
#include "exif.hpp"
#include "jpeg_segments.hpp"
#include "stb_reader.hpp"

namespace la {
namespace detail {

enum class ImageFormat { jpeg, png, bmp };

inline const char* name_of(ImageFormat format) noexcept {
  switch (format) {
    case ImageFormat::jpeg:
      return "JPEG";
    case ImageFormat::png:
      return "PNG";
    case ImageFormat::bmp:
      return "BMP";
  }
  return "";
}

inline bool starts_with_bytes(std::span<const std::byte> bytes, std::initializer_list<unsigned char> magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.begin(), magic.size()) == 0;
}

inline ImageFormat sniff_image_format(std::span<const std::byte> bytes, const std::string& name) {
  require(!bytes.empty(), name, ": expected a JPEG, PNG or BMP picture, found an empty file");
  if (starts_with_bytes(bytes, {0xff, 0xd8, 0xff})) return ImageFormat::jpeg;
  if (starts_with_bytes(bytes, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'})) return ImageFormat::png;
  if (starts_with_bytes(bytes, {'B', 'M'})) return ImageFormat::bmp;
  fail(name, ": not a JPEG, PNG or BMP picture");
}

/// Feeds a decoder and notices when it asks for more than there is: stb_image would read zeros.
struct ImageSource {
  std::span<const std::byte> bytes;
  std::size_t at = 0;
  bool ran_out = false;

  static int read(void* user, char* out, int size) {
    auto& self = *static_cast<ImageSource*>(user);
    const std::size_t count = std::min(std::size_t(size), self.bytes.size() - self.at);
    if (count == 0) self.ran_out = true;
    if (count > 0) std::memcpy(out, self.bytes.data() + self.at, count);
    self.at += count;
    return int(count);
  }
  static void skip(void* user, int size) {
    auto& self = *static_cast<ImageSource*>(user);
    self.at += std::min(std::size_t(std::max(size, 0)), self.bytes.size() - self.at);
  }
  static int eof(void* user) {
    const auto& self = *static_cast<ImageSource*>(user);
    return self.at == self.bytes.size();
  }
  static constexpr stb_reader::stbi_io_callbacks kCallbacks{read, skip, eof};
};

[[noreturn]] inline void fail_damaged(const std::string& name, ImageFormat format,
                                      const ImageSource& source) {
  const std::string_view reason = stb_reader::stbi_failure_reason();
  if (source.ran_out || reason == "outofdata")
    fail(name, ": truncated ", name_of(format), ", ", source.bytes.size(), " bytes");
  fail(name, ": damaged or unsupported ", name_of(format), ": ", reason);
}

/// No file of the format can hold more pixels: a JPEG needs a bit for each block of 8 x 8, and four times that leaves
/// room for files that lack blocks; deflate expands 1032 to 1 at most; a pixel takes a bit or more.
inline i64 max_pixels_per_byte(ImageFormat format) noexcept {
  switch (format) {
    case ImageFormat::jpeg:
      return 4 * 8 * 64;
    case ImageFormat::png:
      return 8 * 1032;
    case ImageFormat::bmp:
      break;
  }
  return 8;
}

/// Bytes that a decoder's growing block may reach. It holds the PNG's compressed data, then its expanded rows: at most
/// 8 bytes a pixel and a filter byte for each row and pass. Doubling until it fits can overshoot by two.
inline std::size_t growth_limit(std::span<const std::byte> bytes, i64 width, i64 height) noexcept {
  constexpr std::size_t kSlack = std::size_t{1} << 16;
  return 2 * (bytes.size() + std::size_t(8 * width * height + 16 * height)) + kSlack;
}

/// A progressive JPEG has about ten; each takes the time of all its pixels, however short it is.
inline constexpr std::size_t kMaxJpegScans = 100;

/// Width and height, checked.
inline std::pair<i64, i64> check_image_header(std::span<const std::byte> bytes, const std::string& name,
                                              ImageFormat format, i64 max_pixels) {
  if (const char* fault = format == ImageFormat::jpeg ? huffman_table_fault(bytes) : nullptr)
    fail(name, ": damaged JPEG: ", fault);
  if (const std::size_t scans = format == ImageFormat::jpeg ? count_jpeg_scans(bytes) : 0;
      scans > kMaxJpegScans)
    fail(name, ": expected a JPEG of at most ", kMaxJpegScans, " scans, found ", scans);
  ImageSource source{bytes};
  int width = 0, height = 0, channels = 0;
  if (!stb_reader::stbi_info_from_callbacks(&ImageSource::kCallbacks, &source, &width, &height, &channels))
    fail_damaged(name, format, source);
  const i64 rows = std::abs(i64{height});  // negative in a BMP stored from the top down
  require(width > 0 && rows > 0, name, ": expected a picture, found ", width, "x", rows, " pixels");
  require(i64{width} <= max_pixels / rows, name, ": expected at most ", max_pixels, " pixels, found ", width,
          "x", rows);
  require(i64{width} * rows <= i64(bytes.size()) * max_pixels_per_byte(format), name, ": truncated ",
          name_of(format), ", ", bytes.size(), " bytes cannot hold ", width, "x", rows, " pixels");
  return {width, rows};
}

/// samples: [pixels][channels] with channels 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
inline void samples_to_rgb(const std::uint8_t* samples, int channels, std::span<std::uint8_t> rgb) {
  const bool grey = channels <= 2, has_alpha = channels == 2 || channels == 4;
  for (std::size_t i = 0; i < rgb.size(); i += 3, samples += channels)
    for (std::size_t c = 0; c < 3; ++c) {
      const std::uint8_t value = samples[grey ? 0 : c];
      rgb[i + c] = has_alpha ? blend_on_white(value, samples[channels - 1]) : value;
    }
}

inline Image decode_pixels(std::span<const std::byte> bytes, const std::string& name, ImageFormat format,
                           std::size_t growth) {
  stb_reader::growth_limit = {growth, false};
  ImageSource source{bytes};
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<std::uint8_t, void (*)(void*)> samples(
      stb_reader::stbi_load_from_callbacks(&ImageSource::kCallbacks, &source, &width, &height, &channels, 0),
      stb_reader::stbi_image_free);
  if (stb_reader::growth_limit.refused)
    fail(name, ": damaged ", name_of(format), ": more data than its pixels take");
  if (!samples || source.ran_out) fail_damaged(name, format, source);
  Image image(width, height);
  samples_to_rgb(samples.get(), channels, image.pixels);
  return image;
}

}  // namespace detail

LA_INLINE Image decode_image(std::span<const std::byte> bytes, const std::string& name,
                             const LoadOptions& options) {
  require(i64(bytes.size()) <= options.max_file_bytes, name, ": expected at most ", options.max_file_bytes,
          " bytes, found ", bytes.size());
  const detail::ImageFormat format = detail::sniff_image_format(bytes, name);
  const auto [width, height] = detail::check_image_header(bytes, name, format, options.max_pixels);
  Image image = detail::decode_pixels(bytes, name, format, detail::growth_limit(bytes, width, height));
  if (format == detail::ImageFormat::jpeg && options.exif == ExifOrientation::apply)
    image = apply_orientation(std::move(image), exif_orientation(bytes));
  return image;
}

LA_INLINE Image load_image(const std::string& path, const LoadOptions& options) {
  const std::string bytes = read_whole_file(path, std::size_t(std::max(options.max_file_bytes, i64{0})));
  return decode_image(std::as_bytes(std::span(bytes)), path, options);
}

}  // namespace la
