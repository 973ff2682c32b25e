#include "draw.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stb_font.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// A corner of a font quad, laid out as stb_easy_font writes it.
struct FontVertex {
  float x, y, z;
  unsigned char rgba[4];
};
static_assert(sizeof(FontVertex) == 16);

inline constexpr std::size_t kMaxQuadsPerCharacter = 16;  // the font's most intricate one has 13

}  // namespace detail

LA_INLINE void fill_rect(Image& image, const Rect& rect, Colour colour) {
  require_pixels(image, "draw");
  const i64 left = std::max(rect.left, i64{0}), right = std::min(rect.right, image.width);
  const i64 top = std::max(rect.top, i64{0}), bottom = std::min(rect.bottom, image.height);
  if (left >= right) return;
  for (i64 y = top; y < bottom; ++y) {
    std::uint8_t* pixel = image.row(y) + 3 * left;
    for (i64 x = left; x < right; ++x, pixel += 3) {
      pixel[0] = colour.r;
      pixel[1] = colour.g;
      pixel[2] = colour.b;
    }
  }
}

LA_INLINE void draw_outline(Image& image, const Rect& rect, i64 thickness, Colour colour) {
  fill_rect(image, {rect.left, rect.top, rect.right, std::min(rect.top + thickness, rect.bottom)}, colour);
  fill_rect(image, {rect.left, std::max(rect.bottom - thickness, rect.top), rect.right, rect.bottom}, colour);
  fill_rect(image, {rect.left, rect.top, std::min(rect.left + thickness, rect.right), rect.bottom}, colour);
  fill_rect(image, {std::max(rect.right - thickness, rect.left), rect.top, rect.right, rect.bottom}, colour);
}

LA_INLINE void blend_pixel(Image& image, i64 x, i64 y, Colour colour, std::uint8_t cover) {
  require_pixels(image, "draw");
  if (x < 0 || x >= image.width || y < 0 || y >= image.height) return;
  std::uint8_t* pixel = image.row(y) + 3 * x;
  const auto mix = [cover](std::uint8_t below, std::uint8_t above) {
    return std::uint8_t((below * (255 - cover) + above * cover + 127) / 255);
  };
  pixel[0] = mix(pixel[0], colour.r);
  pixel[1] = mix(pixel[1], colour.g);
  pixel[2] = mix(pixel[2], colour.b);
}

LA_INLINE void fill_disc(Image& image, i64 centre_x, i64 centre_y, i64 radius, Colour colour) {
  for (i64 dy = -radius; dy <= radius; ++dy) {
    const i64 half = i64(std::sqrt(double(radius * radius - dy * dy)) + 0.5);
    fill_rect(image, {centre_x - half, centre_y + dy, centre_x + half + 1, centre_y + dy + 1}, colour);
  }
}

LA_INLINE Image enlarge(const Image& image, i64 factor) {
  require_pixels(image, "enlarge");
  if (factor < 1) fail_usage("enlarge: expected a factor of at least 1, found ", factor);
  Image large(image.width * factor, image.height * factor);
  for (i64 y = 0; y < large.height; ++y) {
    const std::uint8_t* in = image.row(y / factor);
    std::uint8_t* out = large.row(y);
    for (i64 x = 0; x < large.width; ++x, out += 3) std::copy_n(in + 3 * (x / factor), 3, out);
  }
  return large;
}

LA_INLINE std::string drawable_text(std::string_view utf8) {
  std::string text;
  for (const char c : utf8) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xc0) == 0x80;
    if (!continues) text += byte >= 0x20 && byte < 0x7f ? c : '?';
  }
  return text;
}

LA_INLINE i64 text_width(const std::string& drawable) {
  std::string text = drawable;  // the font's interface wants char*, without writing to it
  return detail::stb_font::stb_easy_font_width(text.data());
}

LA_INLINE void draw_text(Image& image, i64 left, i64 top, i64 scale, const std::string& drawable,
                         Colour colour) {
  std::string text = drawable;
  std::vector<detail::FontVertex> corners(text.size() * detail::kMaxQuadsPerCharacter * 4);
  const int quads = detail::stb_font::stb_easy_font_print(0, 0, text.data(), nullptr, corners.data(),
                                                          int(corners.size() * sizeof(detail::FontVertex)));
  for (std::size_t q = 0; q < std::size_t(quads); ++q) {
    const detail::FontVertex &from = corners[4 * q], &to = corners[4 * q + 2];  // opposite corners
    fill_rect(image,
              {left + i64(from.x) * scale, top + i64(from.y) * scale, left + i64(to.x) * scale,
               top + i64(to.y) * scale},
              colour);
  }
}

}  // namespace la::inline LA_ABI
