#pragma once

#include <la/image/label_font.hpp>

#include <optional>
#include <string>

#include "flags.hpp"

namespace la::cli {

/// The font that labels are drawn with.
struct FontFlag {
  std::string path;

  void add_to(Flags& flags) {
    flags.text(
        "--font", "FILE",
        "TrueType or OpenType font of the labels drawn [the system's DejaVu and Noto, else ASCII letters]",
        path);
  }

  /// Nothing: the built-in letters.
  std::optional<LabelFont> load() const {
    if (!path.empty()) return LabelFont({path});
    const std::vector<std::string> usual = LabelFont::usual_paths();
    if (usual.empty()) return std::nullopt;
    return LabelFont(usual);
  }
};

}  // namespace la::cli
