#include "scene_score.hpp"

#include <set>

#include "../support.hpp"

using namespace la;
using namespace la::scenes;

TEST_CASE("scenes: the bundled checkpoint finds the drawn things") {
  Session session = Session::open(test::source("data/shapes"));
  constexpr int kScenes = 12;
  constexpr std::uint64_t kSeed = 1000;
  const Score slow = measure(session, Mode::slow, kScenes, kSeed);
  CHECK(slow.iou_sum / kScenes > 0.8);
  CHECK(slow.found >= 11);
  for (Mode mode : {Mode::fast, Mode::hybrid})
    CHECK(measure(session, mode, kScenes, kSeed).iou_sum / kScenes > 0.7);
}

TEST_CASE("scenes: a seed is a scene with one match, and seeds differ") {
  std::set<std::string> phrases;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Scene scene = draw_scene(seed);
    phrases.insert(scene.phrase());
    REQUIRE(!scene.things.empty());
    for (std::size_t i = 0; i < scene.things.size(); ++i) {
      const Box box = scene.things[i].box();
      CHECK(box[0] >= 0);
      CHECK(box[1] >= 0);
      CHECK(box[2] <= double(scene.width));
      CHECK(box[3] <= double(scene.height));
      if (i > 0) CHECK(scene.things[i].phrase() != scene.phrase());
    }
  }
  CHECK(phrases.size() > 30);
  CHECK(render(draw_scene(5), 5) == render(draw_scene(5), 5));
}

TEST_CASE("scenes: each shape fills its box to the edges and no further") {
  for (std::size_t shape = 0; shape < kShapeNames.size(); ++shape) {
    CAPTURE(kShapeNames[shape]);
    Scene scene{80, 60, {{255, 255, 255}, 0, 0, 0}, {{Shape(shape), 9, {0, 0, 0}, 40, 30, 20}}};
    const Image image = render(scene, 0);
    Box seen{80, 60, 0, 0};
    for (i64 y = 0; y < image.height; ++y)
      for (i64 x = 0; x < image.width; ++x)
        if (image.row(y)[x * 3] < 250) {
          seen[0] = std::min(seen[0], double(x));
          seen[1] = std::min(seen[1], double(y));
          seen[2] = std::max(seen[2], double(x + 1));
          seen[3] = std::max(seen[3], double(y + 1));
        }
    for (std::size_t i = 0; i < 4; ++i) CHECK(std::abs(seen[i] - scene.truth()[i]) <= 1.5);
  }
}

TEST_CASE("scenes: intersection over union") {
  const Box a{0, 0, 10, 10};
  CHECK(iou(a, a) == 1);
  CHECK(iou(a, Box{10, 0, 20, 10}) == 0);
  CHECK(iou(a, Box{5, 0, 15, 10}) == doctest::Approx(1.0 / 3));
  CHECK(iou(a, Box{2, 2, 4, 4}) == doctest::Approx(0.04));
  CHECK(iou(Box{}, Box{}) == 0);
}
