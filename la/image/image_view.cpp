#include "image_view.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "../core/error.hpp"
#include "to_rgb.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// In the order of PixelFormat. A group of `pixels` takes `bytes` of a row of the first plane.
struct PixelFormatInfo {
  std::string_view name;
  i64 bytes, pixels;
};

inline constexpr std::array<PixelFormatInfo, 9> kPixelFormats{{{"rgb", 3, 1},
                                                               {"bgr", 3, 1},
                                                               {"rgba", 4, 1},
                                                               {"bgra", 4, 1},
                                                               {"rgbx", 4, 1},
                                                               {"bgrx", 4, 1},
                                                               {"grey", 1, 1},
                                                               {"nv12", 1, 1},
                                                               {"yuyv", 4, 2}}};

/// Whole groups: a row of odd width has its last one entire.
inline i64 least_stride(PixelFormat format, i64 width) noexcept {
  const PixelFormatInfo& info = kPixelFormats[std::size_t(format)];
  return (width + info.pixels - 1) / info.pixels * info.bytes;
}

inline constexpr i64 kNv12Group = 2;  // pixels a side, and bytes, of a chroma sample

inline i64 chroma_stride(const ImageView& view) noexcept {
  return view.chroma_stride != 0 ? view.chroma_stride : view.stride;
}

inline const std::uint8_t* chroma_row(const ImageView& view, i64 y) noexcept {
  const std::uint8_t* plane = view.chroma ? view.chroma : view.data + view.height * view.stride;
  return plane + y / kNv12Group * chroma_stride(view);
}

inline constexpr int kYuvBits =
    40;  // fraction bits: more than the nearest half is ever near, and |sum| < 2^50

constexpr i64 yuv_fixed(double x) noexcept {
  return i64(x * double(i64{1} << kYuvBits) + 0.5);
}

/// BT.601: Kr = 0.299, Kb = 0.114, Y over 219 steps, chroma over 224.
struct Bt601 {
  static constexpr double kr = 0.299, kb = 0.114, kg = 1 - kr - kb, chroma = 255.0 / 224;
  static constexpr i64 y = yuv_fixed(255.0 / 219);
  static constexpr i64 r_v = yuv_fixed(chroma * 2 * (1 - kr)), b_u = yuv_fixed(chroma * 2 * (1 - kb));
  static constexpr i64 g_v = yuv_fixed(chroma * 2 * (1 - kr) * kr / kg);
  static constexpr i64 g_u = yuv_fixed(chroma * 2 * (1 - kb) * kb / kg);
};

inline void yuv_to_rgb(std::uint8_t luma, std::uint8_t cb, std::uint8_t cr, std::uint8_t* rgb) noexcept {
  const i64 y = (i64{luma} - 16) * Bt601::y + (i64{1} << (kYuvBits - 1));
  const i64 u = i64{cb} - 128, v = i64{cr} - 128;
  const auto channel = [](i64 sum) { return std::uint8_t(std::clamp(sum >> kYuvBits, i64{0}, i64{255})); };
  rgb[0] = channel(y + Bt601::r_v * v);
  rgb[1] = channel(y - Bt601::g_u * u - Bt601::g_v * v);
  rgb[2] = channel(y + Bt601::b_u * u);
}

/// Pixels of `bytes` bytes whose red and blue are at those offsets.
template <int bytes, int red, int blue, bool alpha>
void colours_to_rgb(const std::uint8_t* in, i64 count, std::uint8_t* out) noexcept {
  for (i64 i = 0; i < count; ++i, in += bytes, out += 3) {
    out[0] = alpha ? blend_on_white(in[red], in[3]) : in[red];
    out[1] = alpha ? blend_on_white(in[1], in[3]) : in[1];
    out[2] = alpha ? blend_on_white(in[blue], in[3]) : in[blue];
  }
}

LA_INLINE const std::uint8_t* rgb_pixels(const ImageView& view, i64 y, i64 x, i64 count,
                                         std::uint8_t* scratch) noexcept {
  const std::uint8_t* row = view.data + y * view.stride;
  switch (view.format) {
    case PixelFormat::rgb:
      return row + 3 * x;
    case PixelFormat::bgr:
      colours_to_rgb<3, 2, 0, false>(row + 3 * x, count, scratch);
      break;
    case PixelFormat::rgba:
      colours_to_rgb<4, 0, 2, true>(row + 4 * x, count, scratch);
      break;
    case PixelFormat::bgra:
      colours_to_rgb<4, 2, 0, true>(row + 4 * x, count, scratch);
      break;
    case PixelFormat::rgbx:
      colours_to_rgb<4, 0, 2, false>(row + 4 * x, count, scratch);
      break;
    case PixelFormat::bgrx:
      colours_to_rgb<4, 2, 0, false>(row + 4 * x, count, scratch);
      break;
    case PixelFormat::grey:
      for (i64 i = 0; i < count; ++i) std::fill_n(scratch + 3 * i, 3, row[x + i]);
      break;
    case PixelFormat::nv12: {
      const std::uint8_t* chroma = chroma_row(view, y);
      for (i64 i = 0; i < count; ++i) {
        const std::uint8_t* pair = chroma + (x + i) / kNv12Group * kNv12Group;
        yuv_to_rgb(row[x + i], pair[0], pair[1], scratch + 3 * i);
      }
      break;
    }
    case PixelFormat::yuyv:
      for (i64 i = 0; i < count; ++i) {
        const std::uint8_t* group = row + (x + i) / 2 * 4;
        yuv_to_rgb(group[(x + i) % 2 * 2], group[1], group[3], scratch + 3 * i);
      }
      break;
  }
  return scratch;
}

}  // namespace detail

LA_INLINE std::string_view name_of(PixelFormat format) noexcept {
  return detail::kPixelFormats[std::size_t(format)].name;
}

LA_INLINE ImageView::ImageView(const Image& image)
    : data(image.pixels.data()), width(image.width), height(image.height), stride(3 * image.width) {
  require_pixels(image, "picture");
}

LA_INLINE void require_pixels(const ImageView& view, std::string_view place) {
  if (std::size_t(view.format) >= detail::kPixelFormats.size())
    fail_usage(place, ": expected a pixel format, found ", int(view.format));
  if (view.width <= 0 || view.height <= 0 || view.width > detail::kMaxImageSide ||
      view.height > detail::kMaxImageSide)
    fail_usage(place, ": expected sides of 1 to ", detail::kMaxImageSide, " pixels, found ", view.width, "x",
               view.height);
  if (!view.data)
    fail_usage(place, ": expected ", view.width, "x", view.height, " pixels, found a null pointer");
  const auto check_stride = [&](const char* name, i64 stride, i64 least) {
    if (stride >= least || stride <= -least) return;
    fail_usage(place, ": ", name, ": expected at least ", least, " bytes for rows of ", view.width,
               " pixels of ", name_of(view.format), ", found ", stride);
  };
  check_stride("stride", view.stride, detail::least_stride(view.format, view.width));
  if (view.format != PixelFormat::nv12) return;
  const i64 pairs = (view.width + 1) / detail::kNv12Group;
  check_stride("chroma stride", detail::chroma_stride(view), detail::kNv12Group * pairs);
  if (view.stride < 0 && !view.chroma)
    fail_usage(
        place,
        ": chroma: expected the second plane of nv12 rows that are stored bottom up, found a null pointer");
}

LA_INLINE Image to_image(const ImageView& view) {
  require_pixels(view, "picture");
  Image image(view.width, view.height);
  for (i64 y = 0; y < view.height; ++y) {
    std::uint8_t* out = image.row(y);
    const std::uint8_t* row = detail::rgb_pixels(view, y, 0, view.width, out);
    if (row != out) std::copy_n(row, 3 * view.width, out);
  }
  return image;
}

}  // namespace la::inline LA_ABI
