#pragma once

#include "la/session/session.hpp"
#include "scene.hpp"

// How well a model answers the scenes.
namespace la::scenes {

struct Score {
  int scenes = 0, found = 0;
  double iou_sum = 0;
};

/// The question has one right answer, so only the first box counts; none is an IoU of 0.
inline double first_box_iou(const Result& result, const Scene& scene) {
  for (const Item& item : result.items)
    if (item.kind == Item::Kind::box) return iou(item.box, scene.truth());
  return 0;
}

/// Asks for the one thing of each of `count` scenes.
inline Score measure(Session& session, Mode mode, int count, std::uint64_t seed) {
  AskOptions ask;
  ask.generation.mode = mode;
  Score score;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t scene_seed = seed + std::uint64_t(i);
    const Scene scene = draw_scene(scene_seed);
    const EncodedImage image = session.encode(render(scene, scene_seed));
    const double got = first_box_iou(session.ground(image, scene.phrase(), ask), scene);
    ++score.scenes;
    score.found += got > 0.5;
    score.iou_sum += got;
  }
  return score;
}

}  // namespace la::scenes
