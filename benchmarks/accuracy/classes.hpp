#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "cases.hpp"
#include "la/session/session.hpp"
#include "runs.hpp"

// Sixteen classes a picture, some of them in it: what it costs and brings to ask for few of them in a question.
namespace la::scenes {

inline constexpr std::size_t kClasses = 16;

/// Classes that are in a scene, each once, and others.
inline std::vector<std::string> classes_of(const Scene& scene, std::uint64_t seed) {
  Dice dice(seed ^ 0xc1a55);
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      names.insert(names.begin() + std::ptrdiff_t(dice.pick(names.size() + 1)), name);
  };
  for (const Thing& thing : scene.things) add(thing.phrase());
  while (names.size() < kClasses)
    add(std::string(kPaints[dice.pick(kPaints.size())].name) + " " +
        std::string(kShapeNames[dice.pick(kShapeNames.size())]));
  return names;
}

/// Things found: each by one box of its name with an IoU of at least 0.5.
inline int things_found(const Scene& scene, const std::vector<Item>& items) {
  std::vector<bool> used(items.size());
  int found = 0;
  for (const Thing& thing : scene.things)
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (used[i] || items[i].kind != Item::Kind::box || items[i].label != thing.phrase() ||
          iou(items[i].box, thing.box()) < 0.5)
        continue;
      used[i] = true;
      ++found;
      break;
    }
  return found;
}

inline void print_classes(Session& session, const std::vector<NamedMode>& modes,
                          const std::vector<Case>& cases) {
  std::printf("%-7s %12s %7s %7s %7s %7s %9s %9s %9s\n", "mode", "a question", "scenes", "things", "boxes",
              "found", "precision", "recall", "F1");
  for (const NamedMode& m : modes)
    for (const i64 classes : {1, 2, 4, 8, 16}) {
      int scenes = 0, things = 0, boxes = 0, found = 0;
      for (const Case& c : cases) {
        if (c.letter) continue;
        const Scene scene = draw_scene(c.seed);
        Request request;
        request.images.emplace_back(session.encode(c.image()));
        request.categories = classes_of(scene, c.seed);
        request.options.generation.mode = m.mode;
        request.options.generation.max_new_tokens = 512;
        request.options.categories_per_question = classes;
        const Result result = session.ask(std::move(request));
        ++scenes;
        things += int(scene.things.size());
        boxes += int(std::count_if(result.items.begin(), result.items.end(),
                                   [](const Item& item) { return item.kind == Item::Kind::box; }));
        found += things_found(scene, result.items);
      }
      const double precision = boxes > 0 ? double(found) / boxes : 0,
                   recall = things > 0 ? double(found) / things : 0,
                   f1 = found > 0 ? 2 * precision * recall / (precision + recall) : 0;
      std::printf("%-7s %12lld %7d %7d %7d %7d %9.3f %9.3f %9.3f\n", m.name, static_cast<long long>(classes),
                  scenes, things, boxes, found, precision, recall, f1);
      std::fflush(stdout);
    }
}

}  // namespace la::scenes
