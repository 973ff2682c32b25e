#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "../core/inline.hpp"
#include "image.hpp"

namespace la::inline LA_ABI {

struct Colour {
  std::uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Colour&) const = default;
};

inline constexpr Colour kBlack{0, 0, 0}, kWhite{255, 255, 255};

/// Pixels with left <= x < right and top <= y < bottom.
struct Rect {
  i64 left = 0, top = 0, right = 0, bottom = 0;

  Rect grown(i64 by) const noexcept { return {left - by, top - by, right + by, bottom + by}; }
};

/// Every drawing function leaves out what lies outside the picture.    error: see require_pixels
void fill_rect(Image& image, const Rect& rect, Colour colour);

/// The outermost `thickness` pixels of the rectangle.
void draw_outline(Image& image, const Rect& rect, i64 thickness, Colour colour);

/// Mixes a colour into a pixel; cover 255 puts it there.
void blend_pixel(Image& image, i64 x, i64 y, Colour colour, std::uint8_t cover);

void fill_disc(Image& image, i64 centre_x, i64 centre_y, i64 radius, Colour colour);

/// Every pixel becomes a square of factor x factor.    error: (usage) a factor below 1; see require_pixels
Image enlarge(const Image& image, i64 factor);

/// What draw_text can show: printable ASCII stays, every other character becomes one `?`.
std::string drawable_text(std::string_view utf8);

/// Height of a line of text at scale 1, the room below it included.
inline constexpr i64 kTextHeight = 11;

/// units: pixels at scale 1
i64 text_width(const std::string& drawable);

/// Text with its top left corner at (left, top), each dot of the font a square of scale x scale.
void draw_text(Image& image, i64 left, i64 top, i64 scale, const std::string& drawable, Colour colour);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "draw.cpp"
#endif
