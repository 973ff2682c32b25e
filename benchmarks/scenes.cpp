// How well the bundled checkpoint finds things: draws scenes with one matching thing each and compares its boxes
// with the drawn ones.
//
//   scenes [COUNT [SEED [CHECKPOINT]]]

#include <charconv>
#include <cstdio>
#include <string_view>
#include <utility>

#include "examples/cli/run_main.hpp"
#include "la/core/error.hpp"
#include "../tests/scenes/scene_score.hpp"

namespace la::scenes {
namespace {

std::uint64_t number(const char* name, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    fail_usage(name, ": expected a whole number, found '", text, "'");
  return value;
}

int run(int argc, char** argv) {
  if (argc > 4) fail_usage("usage: scenes [COUNT [SEED [CHECKPOINT]]]");
  const std::uint64_t count = argc > 1 ? number("COUNT", argv[1]) : 100;
  if (count < 1 || count > 1000000) fail_usage("COUNT: expected 1 to 1000000, found ", count);
  const std::uint64_t seed = argc > 2 ? number("SEED", argv[2]) : 1;
  Session session = Session::open(argc > 3 ? argv[3] : LA_DATA_DIR "/shapes");

  std::printf("%-8s %7s %9s %9s\n", "mode", "scenes", "mean IoU", "IoU>0.5");
  for (const auto& [name, mode] :
       {std::pair{"slow", Mode::slow}, std::pair{"fast", Mode::fast}, std::pair{"hybrid", Mode::hybrid}}) {
    const Score score = measure(session, mode, int(count), seed);
    std::printf("%-8s %7d %9.3f %8.1f%%\n", name, score.scenes, score.iou_sum / score.scenes,
                100.0 * score.found / score.scenes);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace la::scenes

int main(int argc, char** argv) {
  return la::cli::run_main("scenes", [&] { return la::scenes::run(argc, argv); });
}
