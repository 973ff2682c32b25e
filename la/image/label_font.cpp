#include "label_font.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <span>

#include "../core/error.hpp"
#include "../core/mapped_file.hpp"
#include "glyph_order.hpp"
#include "stb_truetype.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline std::uint32_t big_endian(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | std::uint32_t(bytes[at + i]);
  return value;
}

/// Whether the tables that the directory names lie in the file: stb_truetype does not look.
inline bool tables_fit(std::span<const std::byte> bytes, std::size_t start) {
  if (bytes.size() < 12 || start > bytes.size() - 12) return false;
  const std::size_t tables = big_endian(bytes, start + 4, 2);
  if (tables == 0 || 16 * tables > bytes.size() - start - 12) return false;
  for (std::size_t i = 0; i < tables; ++i) {
    const std::uint64_t begin = big_endian(bytes, start + 12 + 16 * i + 8, 4),
                        length = big_endian(bytes, start + 12 + 16 * i + 12, 4);
    if (begin + length > bytes.size()) return false;
  }
  return true;
}

}  // namespace detail

struct LabelFont::Face {
  MappedFile file;
  detail::stb_outlines::stbtt_fontinfo info{};
  int ascent = 0, descent = 0;

  explicit Face(const std::string& path) : file(MappedFile::open(path)) {
    const auto* data = reinterpret_cast<const unsigned char*>(file.bytes().data());
    const bool readable = file.bytes().size() >= 16;
    const int start = readable ? detail::stb_outlines::stbtt_GetFontOffsetForIndex(data, 0) : -1;
    if (start < 0 || !detail::tables_fit(file.bytes(), std::size_t(start)) ||
        !detail::stb_outlines::stbtt_InitFont(&info, data, start))
      fail(path, ": expected a TrueType or OpenType font, found something else");
    int gap = 0;
    detail::stb_outlines::stbtt_GetFontVMetrics(&info, &ascent, &descent, &gap);
    if (ascent <= descent) fail(path, ": expected a font with lines of some height, found none");
  }

  /// Pixels of an em in lines of this height.
  float em_of(i64 height) const {
    return float(height) / float(ascent - descent) /
           detail::stb_outlines::stbtt_ScaleForMappingEmToPixels(&info, 1);
  }
  float scale(float em) const { return detail::stb_outlines::stbtt_ScaleForMappingEmToPixels(&info, em); }
  float advance(int glyph, float scale) const {
    int advance = 0, bearing = 0;
    detail::stb_outlines::stbtt_GetGlyphHMetrics(&info, glyph, &advance, &bearing);
    return float(advance) * scale;
  }
};

LA_INLINE LabelFont::LabelFont(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) faces_.push_back(std::make_unique<Face>(path));
  if (faces_.empty()) fail("font: expected one file or more, found none");
}
LA_INLINE LabelFont::LabelFont(LabelFont&&) noexcept = default;
LA_INLINE LabelFont& LabelFont::operator=(LabelFont&&) noexcept = default;
LA_INLINE LabelFont::~LabelFont() = default;

LA_INLINE std::vector<std::string> LabelFont::usual_paths() {
  std::vector<std::string> found;
  // DejaVu first: it has Latin, Greek, Cyrillic, and Arabic in its joined forms.
  for (const char* path : {"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
                           "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
                           "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
                           "/usr/share/fonts-droid-fallback/truetype/DroidSansFallback.ttf",
                           "/usr/share/fonts/truetype/noto/NotoSansArabic-Regular.ttf",
                           "/usr/share/fonts/truetype/noto/NotoSansHebrew-Regular.ttf",
                           "/usr/share/fonts/truetype/noto/NotoSansDevanagari-Regular.ttf",
                           "/usr/share/fonts/truetype/noto/NotoSansThai-Regular.ttf"})
    if (std::error_code ignored; std::filesystem::is_regular_file(path, ignored)) found.push_back(path);
  return found;
}

LA_INLINE LabelFont::Glyph LabelFont::glyph_of(char32_t letter) const {
  for (const auto& face : faces_)
    if (const int index = detail::stb_outlines::stbtt_FindGlyphIndex(&face->info, int(letter)); index != 0)
      return {face.get(), index};
  return {faces_.front().get(), 0};
}

LA_INLINE i64 LabelFont::width(std::string_view utf8, i64 height) const {
  const float em = faces_.front()->em_of(height);
  float width = 0;
  for (const char32_t letter : glyph_order(utf8)) {
    const Glyph glyph = glyph_of(letter);
    width += glyph.face->advance(glyph.index, glyph.face->scale(em));
  }
  return i64(std::ceil(width));
}

LA_INLINE void LabelFont::draw(Image& image, i64 left, i64 top, i64 height, std::string_view utf8,
                               Colour colour) const {
  const Face& first = *faces_.front();
  const float em = first.em_of(height);
  const i64 baseline = top + i64(std::lround(float(first.ascent) * first.scale(em)));
  float pen = float(left);
  for (const char32_t letter : glyph_order(utf8)) {
    const Glyph glyph = glyph_of(letter);
    const float scale = glyph.face->scale(em), whole = std::floor(pen);
    int x1 = 0, y1 = 0, x2 = 0, y2 = 0;
    detail::stb_outlines::stbtt_GetGlyphBitmapBoxSubpixel(&glyph.face->info, glyph.index, scale, scale,
                                                          pen - whole, 0, &x1, &y1, &x2, &y2);
    if (x2 > x1 && y2 > y1) {
      std::vector<unsigned char> cover(std::size_t(x2 - x1) * std::size_t(y2 - y1));
      detail::stb_outlines::stbtt_MakeGlyphBitmapSubpixel(&glyph.face->info, cover.data(), x2 - x1, y2 - y1,
                                                          x2 - x1, scale, scale, pen - whole, 0, glyph.index);
      for (int y = y1; y < y2; ++y)
        for (int x = x1; x < x2; ++x)
          blend_pixel(image, i64(whole) + x, baseline + y, colour,
                      cover[std::size_t(y - y1) * std::size_t(x2 - x1) + std::size_t(x - x1)]);
    }
    pen += glyph.face->advance(glyph.index, scale);
  }
  for (const auto& face : faces_) face->file.require_whole();
}

}  // namespace la::inline LA_ABI
