#pragma once

#include <cstdlib>

#include "scene.hpp"

// The pictures of data/pictures that are drawn, and so where everything in them is.
namespace la::scenes {

inline Thing thing(std::string_view paint, Shape shape, double x, double y, double radius) {
  for (std::size_t i = 0; i < kPaints.size(); ++i)
    if (kPaints[i].name == paint) return {shape, i, kPaints[i].rgb, x, y, radius};
  std::abort();
}

/// What a bare run of `ground` looks at. The checkpoint answers its default phrase with the ring.
inline Scene shapes_image() {
  return {224,
          168,
          {{236, 241, 248}, -18, 14, 2},
          {thing("blue", Shape::ring, 62, 58, 36), thing("red", Shape::circle, 164, 52, 26),
           thing("green", Shape::star, 58, 128, 24), thing("orange", Shape::triangle, 158, 124, 30)}};
}

inline Scene crowd_image() {
  return {224,
          224,
          {{240, 236, 228}, 0, 0, 3},
          {thing("red", Shape::circle, 44, 48, 24), thing("yellow", Shape::cross, 172, 164, 24),
           thing("blue", Shape::square, 120, 52, 24), thing("purple", Shape::star, 184, 60, 24),
           thing("green", Shape::hexagon, 52, 168, 28), thing("cyan", Shape::diamond, 112, 132, 24)}};
}

/// As people see it; the file holds it on its side, with the EXIF orientation that sets it upright.
inline Scene turned_image() {
  return {168,
          140,
          {{246, 240, 232}, 20, -10, 1.5},
          {thing("green", Shape::cross, 46, 44, 24), thing("pink", Shape::diamond, 120, 92, 30)}};
}

/// The thing of this phrase.
inline const Thing& find(const Scene& scene, std::string_view phrase) {
  for (const Thing& t : scene.things)
    if (t.phrase() == phrase) return t;
  std::abort();
}

}  // namespace la::scenes
