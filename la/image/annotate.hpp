#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>

#include "../core/inline.hpp"
#include "image.hpp"
#include "label_font.hpp"

namespace la::inline LA_ABI {

enum class MarkKind { box, point, none };

/// One thing to draw.
struct Mark {
  std::string label;
  std::optional<float> score;
  MarkKind kind = MarkKind::box;
  /// x1 y1 x2 y2 of a box, x y of a point; unused for none. units: pixels of the picture
  std::array<float, 4> at{};
};

struct AnnotateOptions {
  /// A picture whose longer side is shorter is enlarged by a whole factor, so that the labels can be read.
  i64 min_longer_side = 640;
  const LabelFont* font = nullptr;  ///< of the labels; without one the built-in letters
};

/// The picture with its marks: boxes, ringed dots for points, and for each mark a tag with its label and
/// score (a none mark has only a tag in the corner, "label: none"). Each distinct label has a colour of its
/// own until the palette repeats. Lines and text grow with the picture. Tags stay inside it and keep off each
/// other where there is room; a label too long for the picture is cut. The built-in letters are ASCII
/// only: any other character is shown as `?`. Coordinates outside the picture are clamped to it; a mark with
/// a NaN is left out. error: see require_pixels
Image annotate(const Image& image, std::span<const Mark> marks, const AnnotateOptions& options = {});

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "annotate.cpp"
#endif
