#pragma once

#include <cstdint>
#include <string_view>

#include "../core/inline.hpp"
#include "image.hpp"

namespace la::inline LA_ABI {

/// How the pixels of a view lie in memory, 8 bits a sample, in the order of the bytes.
///
/// Alpha is blended on white, as of files; rgbx and bgrx have a fourth byte that says nothing. nv12 and yuyv are YCbCr
/// of ITU-R BT.601 in limited range (Y 16..235, Cb and Cr 16..240, what cameras give), converted to the nearest RGB;
/// the pixels that share a chroma sample all get it as it is.
enum class PixelFormat {
  rgb,
  bgr,
  rgba,
  bgra,
  rgbx,
  bgrx,
  grey,
  nv12,  ///< a plane of Y, then one of Cb Cr for 2x2 pixels each
  yuyv,  ///< Y Cb Y Cr for two pixels
};

/// "rgb", "nv12"
std::string_view name_of(PixelFormat format) noexcept;

/// A picture in the caller's memory: a camera's frame, a decoder's, another library's image. It is read where it lies,
/// and has to stay there, unchanged, until the call that it goes to has returned.
struct ImageView {
  const std::uint8_t* data = nullptr;  ///< the first byte of the top row
  i64 width = 0, height = 0;           ///< of odd sides nv12 and yuyv hold the last chroma sample too
  i64 stride = 0;  ///< bytes from a row to the one below it; negative: rows are stored bottom up
  PixelFormat format = PixelFormat::rgb;
  const std::uint8_t* chroma =
      nullptr;            ///< of nv12: the second plane; null: it follows the rows of the first
  i64 chroma_stride = 0;  ///< of nv12; 0: that of the first plane

  ImageView() = default;
  ImageView(const std::uint8_t* data_, i64 width_, i64 height_, i64 stride_,
            PixelFormat format_ = PixelFormat::rgb) noexcept
      : data(data_), width(width_), height(height_), stride(stride_), format(format_) {}
  /// error: see require_pixels
  ImageView(const Image& image);
};

/// error: (usage) a null pointer, no pixels, a side above 2^30, a format that is none, rows that overlap, nv12 stored
/// bottom up without its second plane; `place` begins the message
void require_pixels(const ImageView& view, std::string_view place);

/// A copy of its pixels as RGB.    error: see require_pixels
Image to_image(const ImageView& view);

namespace detail {

/// Pixels [x, x + count) of row y as RGB: where they lie, or else converted into `scratch`, 3 * count bytes.
const std::uint8_t* rgb_pixels(const ImageView& view, i64 y, i64 x, i64 count,
                               std::uint8_t* scratch) noexcept;

}  // namespace detail
}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "image_view.cpp"
#endif
