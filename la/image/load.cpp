#include "load.hpp"

#include <algorithm>
#include <utility>

#include "../core/error.hpp"
#include "../core/input_file.hpp"
#include "decode_gif.hpp"
#include "decode_heif.hpp"
#include "decode_jpeg.hpp"
#include "decode_stb.hpp"
#include "decode_tiff.hpp"
#include "decode_webp.hpp"
#include "exif.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline Image decode_stored(const ImageFile& file) {
  switch (file.format) {
#if defined(LA_WITH_JPEG)
    case ImageFormat::jpeg:
      return decode_jpeg(file);
#endif
#if defined(LA_WITH_WEBP)
    case ImageFormat::webp:
      return decode_webp(file);
#endif
#if defined(LA_WITH_HEIF)
    case ImageFormat::heic:
    case ImageFormat::avif:
      return decode_heif(file);
#endif
#if defined(LA_WITH_GIF)
    case ImageFormat::gif:
      return decode_gif(file);
#endif
#if defined(LA_WITH_TIFF)
    case ImageFormat::tiff:
      return decode_tiff(file);
#endif
    default:
      return decode_stb(
          file);  // JPEG, PNG or BMP: require_image_format refuses what this build has no decoder for
  }
}

}  // namespace detail

LA_INLINE Image decode_image(std::span<const std::byte> bytes, const std::string& name,
                             const LoadOptions& options) {
  require(i64(bytes.size()) <= options.max_file_bytes, name, ": too large: expected at most ",
          options.max_file_bytes, " bytes, found ", bytes.size());
  const detail::ImageFile file{bytes, name, require_image_format(bytes, name), options};
  Image image = detail::decode_stored(file);
  if (options.exif == ExifOrientation::apply)
    image = apply_orientation(std::move(image), exif_orientation(bytes));
  return image;
}

LA_INLINE Image load_image(const std::string& path, const LoadOptions& options) {
  const std::string bytes = read_whole_file(path, std::size_t(std::max(options.max_file_bytes, i64{0})));
  return decode_image(std::as_bytes(std::span(bytes)), path, options);
}

}  // namespace la::inline LA_ABI
