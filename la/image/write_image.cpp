#include "write_image.hpp"

#include <filesystem>

#include "../core/error.hpp"
#include "../core/pending_file.hpp"
#include "stb_writer.hpp"
#include "write_png.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline void write_jpeg(const std::string& path, const Image& image) {
  constexpr i64 kMaxSide = 65535;
  constexpr int kQuality = 95;
  require(image.width > 0 && image.height > 0 && image.width <= kMaxSide && image.height <= kMaxSide, path,
          ": expected a picture of 1 to ", kMaxSide, " pixels a side for a JPEG, found ", image.width, "x",
          image.height);
  require_pixels(image, path);
  PendingFile file(path);
  const StbMemory memory;
  const auto write = [](void* to, void* data, int size) {
    static_cast<PendingFile*>(to)->write(data, std::size_t(size));
  };
  stb_writer::stbi_write_jpg_to_func(write, &file, int(image.width), int(image.height), 3,
                                     image.pixels.data(), kQuality);
  file.finish();
}

}  // namespace detail

LA_INLINE ImageFormat written_format(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  if (ending == ".jpg" || ending == ".jpeg") return ImageFormat::jpeg;
  if (!ending.empty() && ending != ".png")
    fail_usage(path, ": expected a name that ends in .png or .jpg, as pictures are written as PNG or JPEG");
  return ImageFormat::png;
}

LA_INLINE void write_image(const std::string& path, const Image& image) {
  if (written_format(path) == ImageFormat::jpeg)
    detail::write_jpeg(path, image);
  else
    write_png(path, image);
}

}  // namespace la::inline LA_ABI
