#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../../tests/scenes/letter_scene.hpp"
#include "la/quantize/quantize.hpp"
#include "la/text/task.hpp"

// The pictures that accuracy is measured on, and those that weights are calibrated with: three sets that share none.
namespace la::scenes {

/// Looked at as often as one likes, to find out what helps. Its first 400 pictures were once the held-out set; since
/// then calibration was changed after looking at them.
inline constexpr std::uint64_t kDevelopmentSeed = 500'000'000;
inline constexpr int kDevelopmentCount = 2'000;
/// Looked at once, when everything is settled, and chosen before: nothing may be changed after looking and measured on
/// it again. It was looked at for results/zen4-2cores-accuracy.txt, and 7'300'000'000 before it; whoever changes
/// quantisation after that measures on another seed.
inline constexpr std::uint64_t kHeldOutSeed = 8'800'000'000;
/// The same for scores (--scores); looked at for results/zen5-2cores-scores.txt.
inline constexpr std::uint64_t kScoresHeldOutSeed = 9'600'000'000;
/// Enough for a standard error of a difference below the 0.002 that 8 bits may cost.
inline constexpr int kHeldOutCount = 4'000;
inline constexpr std::uint64_t kCalibrationSeed = 900'000'000;

/// A picture, what is asked about it, and where the answer is. Pictures are drawn when they are needed: thousands of
/// them would fill the memory.
struct Case {
  std::uint64_t seed;
  bool letter;
  std::string phrase;
  Box truth;

  Image image() const {
    return letter ? render(draw_letter_scene(seed), seed) : render(draw_scene(seed), seed);
  }
};

inline Case make_case(std::uint64_t seed, bool letter) {
  if (letter) {
    const LetterScene l = draw_letter_scene(seed);
    return {seed, true, l.phrase(), l.truth()};
  }
  const Scene s = draw_scene(seed);
  return {seed, false, s.phrase(), s.truth()};
}

/// Shapes and letters in turn.
inline std::vector<Case> make_cases(int count, std::uint64_t seed) {
  std::vector<Case> cases;
  for (int i = 0; i < count; ++i) cases.push_back(make_case(seed + std::uint64_t(i), i % 2 == 1));
  return cases;
}

/// Some of the questions are about what is not there, or about two things.
inline std::vector<CalibrationSample> draw_calibration_samples(int count) {
  const std::vector<Case> cases = make_cases(count, kCalibrationSeed);
  std::vector<CalibrationSample> samples;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string& own = cases[i].phrase;
    const std::string& other = cases[(i + 1) % cases.size()].phrase;
    samples.push_back({cases[i].image(), i % 8 == 3   ? question(Task::ground_single, other)
                                         : i % 8 == 6 ? question(Task::detect, own + "</c>" + other)
                                                      : question(Task::ground_single, own)});
  }
  return samples;
}

}  // namespace la::scenes
