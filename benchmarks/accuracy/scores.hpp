#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "cases.hpp"
#include "la/session/session.hpp"
#include "runs.hpp"

// Whether scores can be relied on: they should rank good boxes before bad ones, say how good a box is, and be low for
// boxes of what is not there.
namespace la::scenes {

/// A box that was answered, and the best overlap with a thing that was asked for; 0 where there is none.
struct ScoredBox {
  double score, iou;
  std::size_t question;
};

/// Boxes answered to questions, one thing or nothing to be found for each.
struct ScoredBoxes {
  std::vector<ScoredBox> present;  ///< of questions about what is there
  std::vector<ScoredBox> all;      ///< and those about what is not
  int things = 0, absent = 0;
};

/// What else is in the picture, and as much that is not: things with phrases that name no other.
struct Question {
  std::string phrase;
  std::optional<Box> truth;
};

inline std::vector<Question> questions_of(const Case& c) {
  std::vector<Question> asked;
  Dice dice(c.seed ^ 0x5c02e5);
  if (c.letter) {
    asked.push_back({c.phrase, c.truth});
    std::string absent = c.phrase;
    while (absent == c.phrase)
      absent = std::string(kPaints[dice.pick(kPaints.size())].name) + " letter " +
               letters()[dice.pick(letters().size())].name;
    asked.push_back({absent, std::nullopt});
    return asked;
  }
  const Scene scene = draw_scene(c.seed);
  const auto named = [&](const std::string& phrase) {
    return std::count_if(scene.things.begin(), scene.things.end(),
                         [&](const Thing& t) { return t.phrase() == phrase; });
  };
  for (const Thing& thing : scene.things) {
    if (named(thing.phrase()) != 1) continue;
    asked.push_back({thing.phrase(), thing.box()});
    std::string absent;
    do
      absent = std::string(kPaints[dice.pick(kPaints.size())].name) + " " +
               std::string(kShapeNames[dice.pick(kShapeNames.size())]);
    while (named(absent) > 0);
    asked.push_back({absent, std::nullopt});
  }
  return asked;
}

inline ScoredBoxes ask_all(Session& session, Mode mode, const std::vector<Case>& cases) {
  ScoredBoxes boxes;
  std::size_t number = 0;
  AskOptions ask;
  ask.generation.mode = mode;
  ask.generation.max_new_tokens = 64;
  for (const Case& c : cases) {
    const EncodedImage image = session.encode(c.image());
    for (const Question& q : questions_of(c)) {
      (q.truth ? boxes.things : boxes.absent) += 1;
      for (const Item& item : session.ground(image, q.phrase, ask).items) {
        if (item.kind != Item::Kind::box) continue;
        boxes.all.push_back({double(item.score), q.truth ? iou(item.box, *q.truth) : 0, number});
        if (q.truth) boxes.present.push_back(boxes.all.back());
      }
      ++number;
    }
  }
  return boxes;
}

/// The chance that a box with at least this overlap scores higher than one with less; equal scores count half.
inline double auroc(std::vector<ScoredBox> boxes, double overlap) {
  std::sort(boxes.begin(), boxes.end(),
            [](const ScoredBox& a, const ScoredBox& b) { return a.score < b.score; });
  double below = 0, pairs = 0, good = 0;
  for (std::size_t i = 0; i < boxes.size();) {
    std::size_t end = i;
    double bad_here = 0, good_here = 0;
    for (; end < boxes.size() && boxes[end].score == boxes[i].score; ++end)
      (boxes[end].iou >= overlap ? good_here : bad_here) += 1;
    pairs += good_here * (below + bad_here / 2);
    below += bad_here;
    good += good_here;
    i = end;
  }
  return good * below > 0 ? pairs / (good * below) : 0;
}

/// Expected calibration error: how far the mean score is from the mean overlap, in ten bins of equal width, each
/// weighted by its boxes.
inline double calibration_error(std::span<const ScoredBox> boxes) {
  constexpr std::size_t kBins = 10;
  std::array<double, kBins> score{}, overlap{};
  for (const ScoredBox& b : boxes) {
    const std::size_t bin = std::min(kBins - 1, std::size_t(b.score * double(kBins)));
    score[bin] += b.score;
    overlap[bin] += b.iou;
  }
  double error = 0;
  for (std::size_t bin = 0; bin < kBins; ++bin) error += std::abs(score[bin] - overlap[bin]);
  return boxes.empty() ? 0 : error / double(boxes.size());
}

/// Area under precision over recall, precision made to fall, of boxes taken by falling score. A thing is found once;
/// boxes of one score are taken together, so a constant score gives one point. source: COCO, without its 101 steps
inline double average_precision(std::vector<ScoredBox> boxes, int things, double overlap, bool constant) {
  if (constant)
    for (ScoredBox& b : boxes) b.score = 1;
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const ScoredBox& a, const ScoredBox& b) { return a.score > b.score; });
  std::vector<std::array<double, 2>> curve;  // recall, precision
  std::vector<std::size_t> found;
  double right = 0;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const bool first = std::find(found.begin(), found.end(), boxes[i].question) == found.end();
    if (boxes[i].iou >= overlap && first) {
      right += 1;
      found.push_back(boxes[i].question);
    }
    if (i + 1 < boxes.size() && boxes[i + 1].score == boxes[i].score) continue;
    curve.push_back({right / things, right / double(i + 1)});
  }
  double area = 0, best = 0;
  for (std::size_t i = curve.size(); i-- > 0;) {
    best = std::max(best, curve[i][1]);
    area += best * (curve[i][0] - (i > 0 ? curve[i - 1][0] : 0));
  }
  return area;
}

/// Mean over overlaps of 0.5, 0.55, ..., 0.95.
inline double mean_average_precision(const std::vector<ScoredBox>& boxes, int things, bool constant) {
  double sum = 0;
  for (int i = 0; i < 10; ++i) sum += average_precision(boxes, things, 0.5 + 0.05 * i, constant);
  return sum / 10;
}

/// One line about the boxes of one kind of scene. AUROC is of the boxes of what is there; calibration of all boxes, and
/// of those.
inline void print_scores_of(const char* mode, const char* kind, const ScoredBoxes& b) {
  double overlap = 0, score = 0;
  for (const ScoredBox& box : b.present) overlap += box.iou, score += box.score;
  const double n = double(std::max<std::size_t>(1, b.present.size()));
  std::printf("%-7s %-8s %6d %6d %7zu %9zu %9.3f %10.3f %9.3f %9.3f %9.3f %7.3f %9.3f %7.3f %9.3f\n", mode,
              kind, b.things, b.absent, b.present.size(), b.all.size() - b.present.size(), overlap / n,
              score / n, auroc(b.present, 0.75), calibration_error(b.all), calibration_error(b.present),
              average_precision(b.all, b.things, 0.5, false), average_precision(b.all, b.things, 0.5, true),
              mean_average_precision(b.all, b.things, false), mean_average_precision(b.all, b.things, true));
}

/// Shapes and letters apart: the model was taught other boxes of letters than the strokes that are drawn here (it puts
/// left edges 0.025 of the width further left, and lower edges 0.019 of the height further down), which no score of
/// its own can know.
inline void print_scores(Session& session, const std::vector<NamedMode>& modes,
                         const std::vector<Case>& cases) {
  std::printf("%-7s %-8s %6s %6s %7s %9s %9s %10s %9s %9s %9s %7s %9s %7s %9s\n", "mode", "scenes", "things",
              "absent", "boxes", "of absent", "mean IoU", "mean score", "AUROC.75", "cal error", "of things",
              "AP50", "constant", "AP", "constant");
  for (const NamedMode& m : modes)
    for (const bool letter : {false, true}) {
      std::vector<Case> kind;
      std::copy_if(cases.begin(), cases.end(), std::back_inserter(kind),
                   [&](const Case& c) { return c.letter == letter; });
      print_scores_of(m.name, letter ? "letters" : "shapes", ask_all(session, m.mode, kind));
      std::fflush(stdout);
    }
}

}  // namespace la::scenes
