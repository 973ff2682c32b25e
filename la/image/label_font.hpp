#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"
#include "draw.hpp"
#include "image.hpp"

namespace la::inline LA_ABI {

/// Outlines to write labels with, from TrueType and OpenType files: each character from the first that has it. A font
/// file is trusted: its tables are checked to lie within it, their contents are not.
class LabelFont {
 public:
  /// error: a file that cannot be read or is no font
  explicit LabelFont(const std::vector<std::string>& paths);
  LabelFont(LabelFont&&) noexcept;
  LabelFont& operator=(LabelFont&&) noexcept;
  ~LabelFont();

  /// The usual DejaVu, Noto and Droid files that this system has; there may be none.
  static std::vector<std::string> usual_paths();

  /// units: pixels, in lines of this height
  i64 width(std::string_view utf8, i64 height) const;
  /// With the top left corner of the line at (left, top), edges blended with what is there.
  void draw(Image& image, i64 left, i64 top, i64 height, std::string_view utf8, Colour colour) const;

 private:
  struct Face;
  struct Glyph {
    const Face* face;
    int index;
  };

  Glyph glyph_of(char32_t letter) const;

  std::vector<std::unique_ptr<Face>> faces_;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "label_font.cpp"
#endif
