#pragma once

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "la/image/draw.hpp"
#include "la/image/write_png.hpp"
#include "runs.hpp"

// Pictures of what formats answered, side by side.
namespace la::scenes {

/// Truth green, the answer red, enlarged.
inline Image drawn(const Case& c, const std::optional<std::array<float, 4>>& box) {
  constexpr i64 kScale = 3, kLine = 3;
  Image image = enlarge(c.image(), kScale);
  const auto rect = [](const auto& b) {
    return Rect{i64(double(b[0]) * kScale), i64(double(b[1]) * kScale), i64(double(b[2]) * kScale),
                i64(double(b[3]) * kScale)};
  };
  draw_outline(image, rect(c.truth), kLine, {0, 170, 0});
  if (box) draw_outline(image, rect(*box), kLine, {220, 0, 0});
  return image;
}

/// One picture: each format's answer beside the others, with its name above.
inline void write_comparison(const std::string& path, const Case& c, std::span<const Run* const> runs,
                             std::size_t index) {
  constexpr i64 kTag = 2 * kTextHeight, kGap = 6;
  std::vector<Image> parts;
  for (const Run* run : runs) parts.push_back(drawn(c, run->answers[index].box));
  const i64 width = parts[0].width, height = parts[0].height;
  Image sheet((width + kGap) * i64(parts.size()) - kGap, height + kTag);
  fill_rect(sheet, {0, 0, sheet.width, sheet.height}, kWhite);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const i64 left = i64(p) * (width + kGap);
    for (i64 y = 0; y < height; ++y) std::copy_n(parts[p].row(y), width * 3, sheet.row(y + kTag) + left * 3);
    char tag[64];
    std::snprintf(tag, sizeof tag, "%s %.3f", runs[p]->format.c_str(),
                  runs[p]->answers[index].iou_with(c.truth));
    draw_text(sheet, left + 2, 2, 2, tag, kBlack);
  }
  write_png(path, sheet);
}

/// The best, worst and most changed cases of the hybrid mode.
inline void write_comparisons(const std::string& directory, const std::vector<Case>& cases,
                              const std::vector<Run>& runs) {
  constexpr std::size_t kEach = 4;
  std::filesystem::create_directories(directory);
  std::vector<const Run*> shown;
  for (const Run& run : runs)
    if (run.mode == "hybrid") shown.push_back(&run);
  std::vector<std::size_t> order(cases.size());
  const auto write = [&](const char* name, const auto& score) {
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return score(a) > score(b); });
    for (std::size_t i = 0; i < std::min(kEach, order.size()); ++i)
      write_comparison(directory + "/" + name + std::to_string(i) + ".png", cases[order[i]], shown, order[i]);
  };
  const auto mean = [&](std::size_t i) {
    double sum = 0;
    for (const Run* run : shown) sum += run->answers[i].iou_with(cases[i].truth);
    return sum;
  };
  const auto spread = [&](std::size_t i) {
    double low = 1, high = 0;
    for (const Run* run : shown) {
      low = std::min(low, run->answers[i].iou_with(cases[i].truth));
      high = std::max(high, run->answers[i].iou_with(cases[i].truth));
    }
    return high - low;
  };
  write("best", mean);
  write("worst", [&](std::size_t i) { return -mean(i); });
  write("changed", spread);
}

}  // namespace la::scenes
