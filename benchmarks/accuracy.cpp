// What quantised weights cost in accuracy: held-out pictures of shapes and letters, each format in each mode.
//
//   accuracy [--count N] [--seed S] [--checkpoint DIR] [--viz DIR]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../examples/cli/flags.hpp"
#include "la/image/draw.hpp"
#include "la/la.hpp"
#include "la/quantize/quantize.hpp"
#include "letter_scene.hpp"

namespace la::scenes {
namespace {

/// A picture, what is asked about it, and where the answer is.
struct Case {
  Image picture;
  std::string phrase;
  Box truth;
  bool letter;
};

Case draw_case(std::uint64_t seed, bool letter) {
  if (letter) {
    const LetterScene l = draw_letter_scene(seed);
    return {render(l, seed), l.phrase(), l.truth(), true};
  }
  const Scene s = draw_scene(seed);
  return {render(s, seed), s.phrase(), s.truth(), false};
}

std::vector<Case> draw_cases(int count, std::uint64_t seed) {
  std::vector<Case> cases;
  for (int i = 0; i < count; ++i) cases.push_back(draw_case(seed + std::uint64_t(i), i % 2 == 1));
  return cases;
}

struct Answer {
  std::vector<std::int32_t> ids;
  std::optional<std::array<float, 4>> box;
  double iou = 0;
  bool valid = false;  ///< ended by itself, with items that can be read, and boxes that have an area
};

Answer answer_of(const Result& result, const Case& c) {
  Answer a;
  a.ids = result.token_ids;
  for (const Item& item : result.items)
    if (item.kind == Item::Kind::box && !a.box) a.box = item.box;
  a.valid = result.stop == StopReason::eos && !result.items.empty() && result.warnings.empty();
  if (!a.box) return a;
  a.iou = iou(*a.box, c.truth);
  a.valid = a.valid && (*a.box)[2] > (*a.box)[0] && (*a.box)[3] > (*a.box)[1];
  return a;
}

struct Run {
  std::string format;
  std::string mode;
  std::vector<Answer> answers;
  double seconds = 0;
  std::size_t bytes = 0;
};

Run measure(Session& session, const std::string& format, const std::pair<const char*, Mode>& mode,
            const std::vector<Case>& cases) {
  AskOptions ask;
  ask.generation.mode = mode.second;
  ask.generation.max_new_tokens = 64;
  Run run{format, mode.first, {}, 0, session.weight_bytes()};
  const auto start = std::chrono::steady_clock::now();
  for (const Case& c : cases)
    run.answers.push_back(answer_of(session.ground(session.encode(c.picture), c.phrase, ask), c));
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return run;
}

/// One line of the table: the cases of a class.
void print_class(const Run& run, const Run& bf16, const std::vector<Case>& cases, const char* name,
                 bool shapes, bool letters) {
  int n = 0, half = 0, valid = 0, same = 0;
  double sum = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (!(cases[i].letter ? letters : shapes)) continue;
    const Answer& a = run.answers[i];
    ++n;
    sum += a.iou;
    half += a.iou > 0.5;
    valid += a.valid;
    same += a.ids == bf16.answers[i].ids;
  }
  if (n == 0) return;
  std::printf("%-14s %-7s %-8s %5d %9.4f %8.1f%% %8.1f%% %8.1f%% %8.2f %9.3f\n", run.format.c_str(),
              run.mode.c_str(), name, n, sum / n, 100.0 * half / n, 100.0 * valid / n, 100.0 * same / n,
              run.seconds, double(run.bytes) / 1e6);
}

/// Truth green, the answer red, enlarged.
Image drawn(const Case& c, const std::optional<std::array<float, 4>>& box) {
  constexpr i64 kScale = 3, kLine = 3;
  Image image = enlarge(c.picture, kScale);
  const auto rect = [](const auto& b) {
    return Rect{i64(double(b[0]) * kScale), i64(double(b[1]) * kScale), i64(double(b[2]) * kScale),
                i64(double(b[3]) * kScale)};
  };
  draw_outline(image, rect(c.truth), kLine, {0, 170, 0});
  if (box) draw_outline(image, rect(*box), kLine, {220, 0, 0});
  return image;
}

/// One picture: each format's answer beside the others, with its name above.
void write_comparison(const std::string& path, const Case& c, std::span<const Run* const> runs,
                      std::size_t index) {
  constexpr i64 kTag = 2 * kTextHeight, kGap = 6;
  std::vector<Image> parts;
  for (const Run* run : runs) parts.push_back(drawn(c, run->answers[index].box));
  const i64 width = parts[0].width, height = parts[0].height;
  Image sheet((width + kGap) * i64(parts.size()) - kGap, height + kTag);
  fill_rect(sheet, {0, 0, sheet.width, sheet.height}, kWhite);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const i64 left = i64(p) * (width + kGap);
    for (i64 y = 0; y < height; ++y) std::copy_n(parts[p].row(y), width * 3, sheet.row(y + kTag) + left * 3);
    char tag[64];
    std::snprintf(tag, sizeof tag, "%s %.3f", runs[p]->format.c_str(), runs[p]->answers[index].iou);
    draw_text(sheet, left + 2, 2, 2, tag, kBlack);
  }
  write_png(path, sheet);
}

/// The best, worst and most changed cases of the hybrid mode.
void write_pictures(const std::string& directory, const std::vector<Case>& cases,
                    const std::vector<Run>& runs) {
  constexpr std::size_t kEach = 4;
  std::filesystem::create_directories(directory);
  std::vector<const Run*> shown;
  for (const Run& run : runs)
    if (run.mode == "hybrid") shown.push_back(&run);
  std::vector<std::size_t> order(cases.size());
  const auto write = [&](const char* name, const auto& score) {
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return score(a) > score(b); });
    for (std::size_t i = 0; i < std::min(kEach, order.size()); ++i)
      write_comparison(directory + "/" + name + std::to_string(i) + ".png", cases[order[i]], shown, order[i]);
  };
  const auto mean = [&](std::size_t i) {
    double sum = 0;
    for (const Run* run : shown) sum += run->answers[i].iou;
    return sum;
  };
  const auto spread = [&](std::size_t i) {
    double low = 1, high = 0;
    for (const Run* run : shown) {
      low = std::min(low, run->answers[i].iou);
      high = std::max(high, run->answers[i].iou);
    }
    return high - low;
  };
  write("best", mean);
  write("worst", [&](std::size_t i) { return -mean(i); });
  write("changed", spread);
}

/// Quantised copies, removed at the end.
class Copies {
 public:
  explicit Copies(std::string checkpoint) : checkpoint_(std::move(checkpoint)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "la-accuracy-XXXXXX").string();
    require(::mkdtemp(pattern.data()) != nullptr, pattern, ": cannot be made");
    directory_ = pattern;
  }
  ~Copies() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  std::string make(const std::string& name, QuantizeFormat format, QuantizeMethod method) {
    // Far from the seeds that are measured.
    constexpr std::uint64_t kCalibrationSeed = 900'000'000;
    constexpr int kSamples = 128;
    QuantizeOptions options;
    options.format = format;
    options.method = method;
    if (method == QuantizeMethod::calibrated && format != QuantizeFormat::q8)
      options.samples = samples(draw_cases(kSamples, kCalibrationSeed));
    const std::string path = (directory_ / name).string();
    const QuantizeErrors e = quantize(checkpoint_, path, options).errors;
    if (e.outputs > 0)
      std::printf("%s: error of the outputs: round to nearest %.3e, scale search %.3e, error feedback %.3e\n",
                  name.c_str(), e.rtn / e.outputs, e.search / e.outputs, e.feedback / e.outputs);
    return path;
  }

 private:
  /// Some of the questions are about what is not there, or about two things.
  static std::vector<CalibrationSample> samples(const std::vector<Case>& cases) {
    std::vector<CalibrationSample> all;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const std::string& own = cases[i].phrase;
      const std::string& other = cases[(i + 1) % cases.size()].phrase;
      all.push_back({cases[i].picture, i % 8 == 3   ? question(Task::ground_single, other)
                                       : i % 8 == 6 ? question(Task::detect, own + "</c>" + other)
                                                    : question(Task::ground_single, own)});
    }
    return all;
  }

  std::string checkpoint_;
  std::filesystem::path directory_;
};

void run(int argc, char** argv) {
  int count = 200;
  std::uint64_t seed = 500'000'000;
  std::string checkpoint = LA_DATA_DIR "/shapes", viz;
  cli::Flags flags;
  flags.number<int>("--count", "pictures, half of them of letters [200]", count, 2, 1000000);
  flags.number<std::uint64_t>("--seed", "of the first picture", seed, 0, ~std::uint64_t{0} >> 2);
  flags.text("--checkpoint", "DIR", "bf16 checkpoint [bundled]", checkpoint);
  flags.text("--viz", "DIR", "writes the best, worst and most changed cases", viz);
  flags.parse(argc, argv);

  const std::vector<Case> cases = draw_cases(count, seed);
  Copies copies(checkpoint);
  const std::vector<std::pair<std::string, std::string>> formats{
      {"bf16", checkpoint},
      {"q8", copies.make("q8", QuantizeFormat::q8, QuantizeMethod::rtn)},
      {"q4 rtn", copies.make("q4-rtn", QuantizeFormat::q4, QuantizeMethod::rtn)},
      {"q4 calibrated", copies.make("q4", QuantizeFormat::q4, QuantizeMethod::calibrated)},
      {"mixed", copies.make("mixed", QuantizeFormat::mixed, QuantizeMethod::calibrated)}};

  std::printf("%-14s %-7s %-8s %5s %9s %9s %9s %9s %8s %9s\n", "format", "mode", "class", "n", "mean IoU",
              "IoU>0.5", "valid", "same ids", "seconds", "weight MB");
  std::vector<Run> runs;
  for (const auto& [name, path] : formats) {
    Session session = Session::open(path);
    for (const auto& mode :
         {std::pair{"slow", Mode::slow}, std::pair{"fast", Mode::fast}, std::pair{"hybrid", Mode::hybrid}}) {
      runs.push_back(measure(session, name, mode, cases));
      const Run& now = runs.back();
      const auto bf16 =
          std::find_if(runs.begin(), runs.end(), [&](const Run& r) { return r.mode == now.mode; });
      print_class(now, *bf16, cases, "shapes", true, false);
      print_class(now, *bf16, cases, "letters", false, true);
      print_class(now, *bf16, cases, "all", true, true);
      std::fflush(stdout);
    }
  }
  if (!viz.empty()) write_pictures(viz, cases, runs);
}

}  // namespace
}  // namespace la::scenes

int main(int argc, char** argv) {
  try {
    la::scenes::run(argc, argv);
    return 0;
  } catch (const la::Error& error) {
    std::fprintf(stderr, "accuracy: %s\n", error.what());
    return error.kind() == la::ErrorKind::usage ? 2 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "accuracy: %s\n", error.what());
    return 1;
  }
}
