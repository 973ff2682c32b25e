#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "classes.hpp"

// Large pictures of small things: what is found of them in the whole picture, and with tiles.
namespace la::scenes {

/// Things of 10 to 24 pixels on 1,500 x 1,500, each of another name.
inline Scene draw_small_scene(std::uint64_t seed) {
  constexpr std::size_t kThings = 8;
  Dice dice(seed ^ 0x5a11);
  Scene scene = draw_scene(seed);
  scene.width = scene.height = 1500;
  scene.things.clear();
  while (scene.things.size() < kThings) {
    Thing thing{Shape(dice.pick(kShapeNames.size())), dice.pick(kPaints.size()), {}, 0, 0, 0};
    thing.rgb = kPaints[thing.paint].rgb;
    thing.radius = dice.uniform(5, 12);
    thing.x = dice.uniform(20, 1480);
    thing.y = dice.uniform(20, 1480);
    if (std::none_of(scene.things.begin(), scene.things.end(), [&](const Thing& other) {
          return other.phrase() == thing.phrase() || !apart(other, thing);
        }))
      scene.things.push_back(thing);
  }
  return scene;
}

/// A session for each size of tiles: none finds pictures that another encoded.
inline void print_small(const std::string& checkpoint, const SessionOptions& options, Mode mode, int scenes,
                        std::uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  std::printf("%-12s %7s %7s %7s %7s %9s %9s %9s\n", "tiles", "scenes", "things", "boxes", "found", "recall",
              "precision", "s a scene");
  for (const i64 side : {0, 224, 160, 112}) {
    Session session = Session::open(checkpoint, options);
    int things = 0, boxes = 0, found = 0;
    const auto start = Clock::now();
    for (int i = 0; i < scenes; ++i) {
      const Scene scene = draw_small_scene(seed + std::uint64_t(i));
      Request request;
      request.images.emplace_back(render(scene, seed));
      for (const Thing& thing : scene.things) request.categories.push_back(thing.phrase());
      request.options.generation.mode = mode;
      request.options.generation.max_new_tokens = 128;
      request.options.tile.side = side;
      request.max_side = 1120;  // the whole picture must fit the model's length
      const Result result = session.ask(std::move(request));
      things += int(scene.things.size());
      boxes += int(std::count_if(result.items.begin(), result.items.end(),
                                 [](const Item& item) { return item.kind == Item::Kind::box; }));
      found += things_found(scene, result.items);
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("%-12s %7d %7d %7d %7d %9.3f %9.3f %9.2f\n",
                side == 0 ? "none" : std::to_string(side).c_str(), scenes, things, boxes, found,
                things > 0 ? double(found) / things : 0, boxes > 0 ? double(found) / boxes : 0,
                seconds / std::max(1, scenes));
    std::fflush(stdout);
  }
}

}  // namespace la::scenes
