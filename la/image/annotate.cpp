#include "annotate.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "../../kernels/common/float_bits.hpp"
#include "../core/decimal.hpp"
#include "../core/error.hpp"
#include "draw.hpp"
#include "tag_layout.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// Colours that stay apart from each other and from most photographs.
inline constexpr std::array<Colour, 10> kMarkPalette{{{255, 45, 85},
                                                      {0, 200, 83},
                                                      {41, 121, 255},
                                                      {255, 196, 0},
                                                      {213, 0, 249},
                                                      {0, 212, 235},
                                                      {255, 109, 0},
                                                      {174, 234, 0},
                                                      {124, 77, 255},
                                                      {255, 128, 171}}};

inline Colour text_colour_on(Colour background) noexcept {
  const int luminance = (299 * background.r + 587 * background.g + 114 * background.b) / 1000;
  return luminance > 120 ? kBlack : kWhite;
}

/// Draws marks on a picture already at its final size.
class Annotator {
 public:
  Annotator(Image& image, i64 factor, const LabelFont* font)
      : image_(image), factor_(double(factor)), font_(font), layout_(image.width, image.height) {
    const i64 longer = std::max(image.width, image.height);
    line_ = std::max(i64{2}, longer / 400);
    text_ = std::max(i64{2}, longer / 560);
  }

  void draw(std::span<const Mark> marks) {
    std::vector<const Mark*> shown;
    for (const Mark& mark : marks)
      if (!has_nan(mark)) shown.push_back(&mark);
    for (const Mark* mark : shown) draw_shape(*mark);
    for (const Mark* mark : shown) draw_tag(*mark);
  }

 private:
  static bool has_nan(const Mark& mark) {
    const std::size_t used = mark.kind == MarkKind::box ? 4 : mark.kind == MarkKind::point ? 2 : 0;
    return std::any_of(mark.at.begin(), mark.at.begin() + used, [](float v) { return is_nan(v); });
  }

  Colour colour_of(const std::string& label) {
    return kMarkPalette[colours_.try_emplace(label, colours_.size()).first->second % kMarkPalette.size()];
  }

  i64 scaled(float coordinate, i64 side) const noexcept {
    return i64(std::lround(std::clamp(double(coordinate) * factor_, 0.0, double(side))));
  }

  /// The pixels a mark covers: at least one, inside the picture.
  Rect extent(const Mark& mark) const noexcept {
    if (mark.kind == MarkKind::none) return {};
    const bool box = mark.kind == MarkKind::box;
    const auto [left, right] =
        std::minmax({scaled(mark.at[0], image_.width), scaled(mark.at[box ? 2 : 0], image_.width)});
    const auto [top, bottom] =
        std::minmax({scaled(mark.at[1], image_.height), scaled(mark.at[box ? 3 : 1], image_.height)});
    Rect rect{std::min(left, image_.width - 1), std::min(top, image_.height - 1), right, bottom};
    rect.right = std::max(rect.right, rect.left + 1);
    rect.bottom = std::max(rect.bottom, rect.top + 1);
    return rect;
  }

  i64 dot_radius() const noexcept { return 3 * line_; }
  i64 ring_radius() const noexcept { return dot_radius() + 2 * line_; }

  void draw_shape(const Mark& mark) {
    const Colour colour = colour_of(mark.label);
    const Rect rect = extent(mark);
    if (mark.kind == MarkKind::box) {
      const i64 edge = std::max(i64{1}, line_ / 2);  // dark on both sides: seen on any background
      draw_outline(image_, rect.grown(edge), line_ + 2 * edge, kBlack);
      draw_outline(image_, rect, line_, colour);
    } else if (mark.kind == MarkKind::point) {
      fill_disc(image_, rect.left, rect.top, ring_radius(), kBlack);
      fill_disc(image_, rect.left, rect.top, dot_radius() + line_, kWhite);
      fill_disc(image_, rect.left, rect.top, dot_radius(), colour);
    }
  }

  i64 padding() const noexcept { return 2 * text_; }

  i64 text_height() const noexcept { return kTextHeight * text_; }

  i64 width_of(const std::string& text) const {
    return font_ ? font_->width(text, text_height()) : text_width(text) * text_;
  }

  /// Label and score, the label cut so that the tag fits the picture.
  std::string tag_text(const Mark& mark) const {
    const std::string start = mark.label.substr(0, 1000);
    std::string label = font_ ? start : drawable_text(start), ending;
    if (mark.kind == MarkKind::none) ending = label.empty() ? "none" : ": none";
    if (mark.score) ending.append(1, ' ').append(decimal(double(*mark.score), 2));
    const i64 room = image_.width - 2 * padding();
    if (width_of(label + ending) <= room) return label + ending;
    while (!label.empty() && width_of(label + ".." + ending) > room) {
      while (label.size() > 1 && (static_cast<unsigned char>(label.back()) & 0xc0) == 0x80) label.pop_back();
      label.pop_back();
    }
    return label + ".." + ending;
  }

  void draw_tag(const Mark& mark) {
    const std::string text = tag_text(mark);
    if (text.empty()) return;
    const Colour colour = colour_of(mark.label);
    const i64 width = width_of(text) + 2 * padding(), height = text_height() + padding();
    Rect around = extent(mark);
    if (mark.kind == MarkKind::point) around = around.grown(ring_radius());
    const Rect tag = layout_.place(around, width, height);
    fill_rect(image_, tag, colour);
    const i64 left = tag.left + padding();
    if (font_)
      font_->draw(image_, left, tag.top + padding() / 2, text_height(), text, text_colour_on(colour));
    else
      draw_text(image_, left, tag.top + padding(), text_, text, text_colour_on(colour));
  }

  Image& image_;
  double factor_;
  const LabelFont* font_;
  i64 line_ = 0, text_ = 0;  // widths of a line and of a dot of the font
  std::map<std::string, std::size_t> colours_;
  TagLayout layout_;
};

}  // namespace detail

LA_INLINE Image annotate(const Image& image, std::span<const Mark> marks, const AnnotateOptions& options) {
  require_pixels(image, "annotate");
  const i64 longer = std::max(image.width, image.height);
  const i64 factor = std::max(i64{1}, (options.min_longer_side + longer - 1) / longer);
  Image annotated = enlarge(image, factor);
  detail::Annotator(annotated, factor, options.font).draw(marks);
  return annotated;
}

}  // namespace la::inline LA_ABI
