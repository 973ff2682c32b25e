// A picture from its bytes to patches: decoder, orientation, both resizes, the limits. Built once for each decoder: with
// LA_FUZZ_FORMAT only for what begins like a file of this format, so that no time goes into the others.
#include <span>

#include "fuzz.hpp"
#include "la/image/exif.hpp"
#include "la/image/image_format.hpp"
#include "la/image/load.hpp"
#include "la/image/patches.hpp"
#include "la/image/resize.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace la;
  const auto bytes = std::as_bytes(std::span(data, size));
#if defined(LA_FUZZ_FORMAT)
  const auto format = sniff_image_format(bytes);
  if (format != ImageFormat::LA_FUZZ_FORMAT &&
      !(format == ImageFormat::avif && ImageFormat::LA_FUZZ_FORMAT == ImageFormat::heic))
    return 0;
#endif
  const int orientation = exif_orientation(bytes);
  fuzz::require_that(orientation >= 1 && orientation <= 8, "an orientation is one of eight");
  LoadOptions options;
  options.max_pixels = 1 << 16;
  fuzz::accepted([&] {
    const Image image = decode_image(bytes, "picture", options);
    fuzz::require_that(image.width * image.height <= options.max_pixels &&
                           image.pixels.size() == std::size_t(3 * image.width * image.height),
                       "a picture has its pixels, within the limit");
    const Image small = limit_side(image, 1 + std::int64_t(size % 97));
    fuzz::require_that(std::max(small.width, small.height) <= 1 + std::int64_t(size % 97),
                       "a side keeps its limit");
    ProcessorConfig config;
    config.in_token_limit = 1 + std::int64_t(size % 64);
    const Patches patches = preprocess(image, config);
    fuzz::require_that(patches.values.size() == std::size_t(patches.grid_h * patches.grid_w * 3 * 14 * 14),
                       "patches fill their grid");
  });
  return 0;
}
