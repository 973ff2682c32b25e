#pragma once

#include <array>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "scene.hpp"

// Pictures of letters with known boxes: bold strokes, drawn without a font.
namespace la::scenes {

struct Stroke {
  double x1, y1, x2, y2;  ///< of its middle line, in the letter's box from 0 to 1
};

struct Letter {
  char name;
  double width;  ///< of the box, as a share of its height
  std::vector<Stroke> strokes;
};

inline constexpr double kStrokeWidth = 0.24;  // of the height

/// Letters of straight strokes alone; y grows downwards.
inline const std::array<Letter, 10>& letters() {
  static const std::array<Letter, 10> all{
      {{'E', 0.80, {{0, 0, 0, 1}, {0, 0, 1, 0}, {0, 0.5, 0.95, 0.5}, {0, 1, 1, 1}}},
       {'F', 0.80, {{0, 0, 0, 1}, {0, 0, 1, 0}, {0, 0.5, 0.9, 0.5}}},
       {'H', 0.95, {{0, 0, 0, 1}, {1, 0, 1, 1}, {0, 0.5, 1, 0.5}}},
       {'I', 0.26, {{0, 0, 0, 1}}},
       {'L', 0.80, {{0, 0, 0, 1}, {0, 1, 1, 1}}},
       {'N', 0.95, {{0, 0, 0, 1}, {1, 0, 1, 1}, {0, 0, 1, 1}}},
       {'T', 0.95, {{0, 0, 1, 0}, {0.5, 0, 0.5, 1}}},
       {'V', 1.05, {{0, 0, 0.5, 1}, {1, 0, 0.5, 1}}},
       {'X', 1.05, {{0, 0, 1, 1}, {1, 0, 0, 1}}},
       {'Z', 0.90, {{0, 0, 1, 0}, {1, 0, 0, 1}, {0, 1, 1, 1}}}}};
  return all;
}

/// Whether a point is on a stroke; all in units of the letter's height, strokes kept inside the box.
inline bool on_stroke(const Stroke& s, double width, double x, double y) {
  const double half = kStrokeWidth / 2;
  const auto at_x = [&](double u) { return half + u * (width - 2 * half); };
  const auto at_y = [&](double v) { return half + v * (1 - 2 * half); };
  const double ax = at_x(s.x1), ay = at_y(s.y1), dx = at_x(s.x2) - ax, dy = at_y(s.y2) - ay;
  const double length = std::hypot(dx, dy);
  if (length < 1e-9) return false;
  const double along = ((x - ax) * dx + (y - ay) * dy) / length,
               across = ((x - ax) * dy - (y - ay) * dx) / length;
  return along >= -half && along <= length + half && std::abs(across) <= half;
}

/// A letter on a scene's background.
struct LetterScene {
  Scene scene;  ///< background, size and no thing
  std::size_t letter = 0, paint = 0;
  double left = 0, top = 0, height = 0;

  const Letter& shape() const { return letters()[letter]; }
  std::string phrase() const { return std::string(kPaints[paint].name) + " letter " + shape().name; }
  Box truth() const { return {left, top, left + height * shape().width, top + height}; }
};

inline LetterScene draw_letter_scene(std::uint64_t seed) {
  Dice dice(seed * 2 + 1);
  LetterScene l;
  l.scene = draw_scene(seed);
  l.scene.things.clear();
  l.letter = dice.pick(letters().size());
  l.paint = dice.pick(kPaints.size());
  const double side = double(std::min(l.scene.width, l.scene.height));
  l.height = side * dice.uniform(0.22, 0.45);
  l.left = dice.uniform(2, double(l.scene.width) - l.height * l.shape().width - 2);
  l.top = dice.uniform(2, double(l.scene.height) - l.height - 2);
  return l;
}

inline Image render(const LetterScene& l, std::uint64_t seed) {
  constexpr int kSamples = 4;
  Image image = render(l.scene, seed);
  const std::array<double, 3>& rgb = kPaints[l.paint].rgb;
  for (i64 y = 0; y < image.height; ++y)
    for (i64 x = 0; x < image.width; ++x) {
      int hits = 0;
      for (int i = 0; i < kSamples * kSamples; ++i) {
        const double u = (double(x) + (i % kSamples + 0.5) / kSamples - l.left) / l.height;
        const double v = (double(y) + (i / kSamples + 0.5) / kSamples - l.top) / l.height;
        if (u < 0 || v < 0 || u > l.shape().width || v > 1) continue;
        for (const Stroke& s : l.shape().strokes)
          if (on_stroke(s, l.shape().width, u, v)) {
            ++hits;
            break;
          }
      }
      const double cover = double(hits) / (kSamples * kSamples);
      for (std::size_t c = 0; c < 3; ++c) {
        std::uint8_t& p = image.row(y)[x * 3 + i64(c)];
        p = std::uint8_t(std::lround(double(p) + cover * (rgb[c] - double(p))));
      }
    }
  return image;
}

}  // namespace la::scenes
