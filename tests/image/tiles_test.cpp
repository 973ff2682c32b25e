#include "../../la/image/tiles.hpp"

#include "../../la/core/error.hpp"

#include "../support.hpp"

namespace la::test {
namespace {

std::vector<std::array<i64, 4>> corners(const std::vector<Rect>& tiles) {
  std::vector<std::array<i64, 4>> all;
  for (const Rect& r : tiles) all.push_back({r.left, r.top, r.right, r.bottom});
  return all;
}

}  // namespace

TEST_CASE("tiles: overlapping squares, the last at the picture's edge") {
  using Corners = std::vector<std::array<i64, 4>>;
  CHECK(corners(tiles_of(250, 100, {100, 0.2})) ==
        Corners{{0, 0, 100, 100}, {80, 0, 180, 100}, {150, 0, 250, 100}});
  CHECK(corners(tiles_of(150, 120, {100, 0})) ==
        Corners{{0, 0, 100, 100}, {50, 0, 150, 100}, {0, 20, 100, 120}, {50, 20, 150, 120}});
  CHECK(corners(tiles_of(100, 40, {60, 0.5})) == Corners{{0, 0, 60, 40}, {30, 0, 90, 40}, {40, 0, 100, 40}});
}

TEST_CASE("tiles: none where one would hold the picture, none of side 0") {
  CHECK(tiles_of(100, 100, {100, 0.2}).empty());
  CHECK(tiles_of(1000, 1000, {}).empty());
  CHECK_THROWS_WITH_AS(tiles_of(10, 10, {-1, 0.2}), "tile: expected a side of 0 or more pixels, found -1",
                       Error);
  CHECK_THROWS_WITH_AS(tiles_of(10, 10, {5, 0.95}), "tile: expected an overlap from 0 to 0.9, found 0.95",
                       Error);
}

TEST_CASE("tiles: crop copies the pixels and nothing outside") {
  Image image(5, 4);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = std::uint8_t(i);
  const Image part = crop(image, {1, 2, 4, 4});
  CHECK(part.width == 3);
  CHECK(part.height == 2);
  for (i64 y = 0; y < 2; ++y)
    for (i64 x = 0; x < 9; ++x) CHECK(part.row(y)[x] == image.row(y + 2)[x + 3]);
  CHECK_THROWS_AS(crop(image, {3, 0, 6, 1}), Error);
  CHECK_THROWS_AS(crop(image, {3, 0, 3, 1}), Error);
}

}  // namespace la::test
