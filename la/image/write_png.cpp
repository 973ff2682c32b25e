#include "write_png.hpp"

#include "../core/error.hpp"
#include "../core/pending_file.hpp"
#include "stb_writer.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline void write_png_bytes(void* file, void* data, int size) {
  static_cast<PendingFile*>(file)->write(data, std::size_t(size));
}

}  // namespace detail

LA_INLINE void write_png(const std::string& path, const Image& image) {
  constexpr i64 kMaxBytes = i64{1} << 30;  // the encoder counts in int and grows its buffer by doubling
  require(image.width > 0 && image.height > 0 && image.width < kMaxBytes / 4 &&
              image.height <= kMaxBytes / (3 * image.width + 1),
          path, ": expected a picture of 1 to ", kMaxBytes, " bytes, found ", image.width, "x", image.height);
  require_pixels(image, path);
  PendingFile file(path);
  const detail::StbMemory memory;
  const int encoded = detail::stb_writer::stbi_write_png_to_func(detail::write_png_bytes, &file,
                                                                 int(image.width), int(image.height), 3,
                                                                 image.pixels.data(), int(3 * image.width));
  require(encoded != 0, path, ": out of memory for a PNG of ", image.width, "x", image.height);
  file.finish();
}

}  // namespace la::inline LA_ABI
