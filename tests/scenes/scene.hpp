#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "la/image/image.hpp"

// Pictures with a known answer, in the manner of those that the bundled checkpoint was trained on.
namespace la::scenes {

enum class Shape { circle, square, triangle, ring, cross, diamond, star, hexagon };

inline constexpr std::array<std::string_view, 8> kShapeNames{"circle", "square",  "triangle", "ring",
                                                             "cross",  "diamond", "star",     "hexagon"};

struct Paint {
  std::string_view name;
  std::array<double, 3> rgb;
};

inline constexpr std::array<Paint, 10> kPaints{{{"red", {222, 28, 25}},
                                                {"green", {22, 160, 42}},
                                                {"blue", {32, 58, 218}},
                                                {"yellow", {248, 208, 20}},
                                                {"orange", {240, 130, 20}},
                                                {"purple", {142, 40, 170}},
                                                {"pink", {247, 122, 188}},
                                                {"cyan", {8, 190, 208}},
                                                {"brown", {108, 62, 22}},
                                                {"black", {20, 16, 20}}}};

/// splitmix64: the same scenes with every compiler and library.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}

  double uniform(double low, double high) { return low + (high - low) * double(next() >> 11) * 0x1p-53; }
  /// 0 .. count - 1
  std::size_t pick(std::size_t count) { return std::size_t(next() % count); }
  /// Near enough to a normal distribution: three uniform numbers, scaled to this deviation.
  double noise(double deviation) { return (uniform(-1, 1) + uniform(-1, 1) + uniform(-1, 1)) * deviation; }

 private:
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
};

/// x1 y1 x2 y2 in pixels.
using Box = std::array<double, 4>;

struct Thing {
  Shape shape;
  std::size_t paint;
  std::array<double, 3> rgb;
  double x, y, radius;  ///< centre, half of the longer side

  /// Half the width and height.
  std::array<double, 2> half() const {
    switch (shape) {
      case Shape::triangle:
        return {radius, radius * 0.866};
      case Shape::diamond:
        return {radius * 0.7, radius};
      case Shape::star:
        return {radius, radius * 0.951};
      case Shape::hexagon:
        return {radius, radius * 0.866};
      default:
        return {radius, radius};
    }
  }
  Box box() const {
    const auto [w, h] = half();
    return {x - w, y - h, x + w, y + h};
  }
  std::string phrase() const {
    return std::string(kPaints[paint].name) + " " + std::string(kShapeNames[std::size_t(shape)]);
  }
};

/// Whether the point of the star's plane is inside; the unit is the distance of its tips, the origin its centre.
inline bool inside_star(double x, double y) {
  constexpr double kFifth = 2 * 3.14159265358979 / 5, kInner = 0.42;
  const double turned = std::atan2(x, -y) + 10 * kFifth;  // from the upper tip
  const double angle = std::abs(turned - kFifth * std::round(turned / kFifth));
  // The edge runs from the tip at (1, 0) to the notch; the sign tells the side of it.
  const double notch_x = kInner * std::cos(kFifth / 2), notch_y = kInner * std::sin(kFifth / 2);
  const double r = std::hypot(x, y), px = r * std::cos(angle), py = r * std::sin(angle);
  return (notch_x - 1) * py - notch_y * (px - 1) >= 0;
}

inline bool inside(const Thing& thing, double x, double y) {
  const auto [w, h] = thing.half();
  const double u = (x - thing.x) / w, v = (y - thing.y) / h;
  if (std::abs(u) > 1 || std::abs(v) > 1) return false;
  switch (thing.shape) {
    case Shape::square:
      return true;
    case Shape::circle:
      return u * u + v * v <= 1;
    case Shape::ring:
      return u * u + v * v <= 1 && u * u + v * v >= 0.68 * 0.68;
    case Shape::triangle:
      return std::abs(u) <= (v + 1) / 2;
    case Shape::cross:
      return std::abs(u) <= 0.36 || std::abs(v) <= 0.36;
    case Shape::diamond:
      return std::abs(u) + std::abs(v) <= 1;
    case Shape::hexagon:
      return std::abs(u) + std::abs(v) / 2 <= 1;
    case Shape::star: {
      // Tips at a distance t: half the width is t sin 72 degrees, the upper tip is t above the centre.
      const double t = w / 0.95106;
      return inside_star((x - thing.x) / t, (y - (thing.y - h) - t) / t);
    }
  }
  return false;
}

struct Background {
  std::array<double, 3> rgb{};
  double across = 0, down = 0;  ///< a gradient's change from edge to edge
  double grain = 0;             ///< deviation of the noise
};

/// The first thing is the one to find; no other has its colour and shape.
struct Scene {
  i64 width = 0, height = 0;
  Background background;
  std::vector<Thing> things;

  std::string phrase() const { return things[0].phrase(); }
  Box truth() const { return things[0].box(); }
};

inline bool apart(const Thing& a, const Thing& b) {
  constexpr double kGap = 4;
  return std::abs(a.x - b.x) > a.radius + b.radius + kGap || std::abs(a.y - b.y) > a.radius + b.radius + kGap;
}

inline Thing draw_thing(Dice& dice, const Scene& scene) {
  const double side = double(std::min(scene.width, scene.height));
  Thing thing{Shape(dice.pick(kShapeNames.size())), dice.pick(kPaints.size()), {}, 0, 0, 0};
  thing.radius = side * dice.uniform(0.09, 0.22);
  thing.x = dice.uniform(thing.radius + 1, double(scene.width) - thing.radius - 1);
  thing.y = dice.uniform(thing.radius + 1, double(scene.height) - thing.radius - 1);
  for (std::size_t c = 0; c < 3; ++c)
    thing.rgb[c] = std::clamp(kPaints[thing.paint].rgb[c] + dice.uniform(-14, 14), 0.0, 255.0);
  return thing;
}

/// One to four things on a light background: plain, a gradient, and often grain.
inline Scene draw_scene(std::uint64_t seed) {
  Dice dice(seed);
  Scene scene;
  constexpr std::array<i64, 5> kSides{112, 140, 168, 196, 224};
  scene.width = kSides[dice.pick(kSides.size())];
  scene.height = kSides[dice.pick(kSides.size())];

  const double light = dice.uniform(205, 248);
  for (double& channel : scene.background.rgb) channel = light + dice.uniform(-12, 12);
  if (dice.pick(3) == 0) {
    scene.background.across = dice.uniform(-35, 35);
    scene.background.down = dice.uniform(-35, 35);
  }
  if (dice.pick(2) == 0) scene.background.grain = dice.uniform(1, 7);

  const std::size_t wanted = 1 + dice.pick(4);
  for (int tries = 0; tries < 50 && scene.things.size() < wanted; ++tries) {
    const Thing thing = draw_thing(dice, scene);
    const bool fits = std::all_of(scene.things.begin(), scene.things.end(),
                                  [&](const Thing& other) { return apart(thing, other); });
    const bool twin = !scene.things.empty() && thing.phrase() == scene.phrase();
    if (fits && !twin) scene.things.push_back(thing);
  }
  return scene;
}

/// The picture, with edges smoothed by 4 x 4 samples a pixel.
inline Image render(const Scene& scene, std::uint64_t seed) {
  constexpr int kSamples = 4;
  Dice dice(~seed);
  Image image(scene.width, scene.height);
  for (i64 y = 0; y < scene.height; ++y)
    for (i64 x = 0; x < scene.width; ++x) {
      const Background& back = scene.background;
      const double slope = back.across * (double(x) / double(scene.width) - 0.5) +
                           back.down * (double(y) / double(scene.height) - 0.5);
      std::array<double, 3> rgb = back.rgb;
      for (double& channel : rgb) channel += slope;
      for (const Thing& thing : scene.things) {
        int hits = 0;
        for (int i = 0; i < kSamples * kSamples; ++i)
          hits += inside(thing, double(x) + (i % kSamples + 0.5) / kSamples,
                         double(y) + (i / kSamples + 0.5) / kSamples);
        const double cover = double(hits) / (kSamples * kSamples);
        for (std::size_t c = 0; c < 3; ++c) rgb[c] += cover * (thing.rgb[c] - rgb[c]);
      }
      for (std::size_t c = 0; c < 3; ++c)
        image.row(y)[x * 3 + i64(c)] =
            std::uint8_t(std::clamp(std::round(rgb[c] + dice.noise(back.grain)), 0.0, 255.0));
    }
  return image;
}

/// Area of the intersection over that of the union; 0 for boxes apart.
template <class A, class B>
double iou(const A& a, const B& b) {
  const auto area = [](double w, double h) { return std::max(w, 0.0) * std::max(h, 0.0); };
  const double common = area(std::min<double>(a[2], b[2]) - std::max<double>(a[0], b[0]),
                             std::min<double>(a[3], b[3]) - std::max<double>(a[1], b[1]));
  const double all = area(double(a[2]) - a[0], double(a[3]) - a[1]) +
                     area(double(b[2]) - b[0], double(b[3]) - b[1]) - common;
  return all > 0 ? common / all : 0;
}

}  // namespace la::scenes
