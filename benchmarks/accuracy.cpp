// What quantised weights cost in accuracy: pictures of shapes and letters, each format in each mode.

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "../examples/cli/flags.hpp"
#include "../examples/cli/run_main.hpp"
#include "accuracy/classes.hpp"
#include "accuracy/comparison.hpp"
#include "accuracy/formats.hpp"
#include "accuracy/runs.hpp"
#include "accuracy/scores.hpp"
#include "accuracy/small.hpp"
#include "la/la.hpp"

namespace la::scenes {
namespace {

constexpr const char* kAbout =
    "accuracy: what quantised weights cost, on drawn pictures of shapes and letters with known boxes\n\n"
    "Protocol. Calibration, development and held-out pictures are three sets of seeds, see "
    "accuracy/cases.hpp.\n"
    "Whatever is tried is tried on the development set. The held-out set is run once, when nothing will be "
    "changed any\n"
    "more, and recorded under results/; after that its seed is spent and replaced. \"- bf16\" is the "
    "difference of the\n"
    "mean IoU to bf16 in the same mode, \"std error\" the standard error of that difference over the same "
    "pictures: a\n"
    "difference of less than two of them is not told from none.\n\n";

struct AccuracyFlags {
  int count = 0, threads = 0;
  std::string set = "development", formats = "q8,q4-rtn,q4,mixed", modes = "slow,fast,hybrid",
              checkpoint = LA_DATA_DIR "/shapes", activations = "q8", keep, viz;
  bool help = false, scores = false, classes = false, small = false;

  void add_to(cli::Flags& flags) {
    flags.text("--set", "NAME", "development or held-out [development]", set);
    flags.number<int>("--count", "pictures, half of them of letters [2000 in development, 4000 held out]",
                      count, 2, 1000000);
    flags.text("--formats", "A,B", "beside bf16: q8, q4-rtn, q4, mixed, or NAME=DIR [q8,q4-rtn,q4,mixed]",
               formats);
    flags.text("--modes", "A,B", "[slow,fast,hybrid]", modes);
    flags.text("--activations", "NAME", "what integer weights are multiplied with: q8, f32 [q8]",
               activations);
    flags.text("--checkpoint", "DIR", "bf16 checkpoint [bundled]", checkpoint);
    flags.text("--keep", "DIR",
               "answers are kept there and not asked for again: delete it when the code changes", keep);
    flags.text("--viz", "DIR", "writes the best, worst and most changed cases", viz);
    flags.number<int>("--threads", "[all cores, $OMP_NUM_THREADS]", threads, 1, 4096);
    flags.on("--scores", "of bf16 alone: how far the boxes' scores can be relied on", scores);
    flags.on("--classes", "of bf16 alone: sixteen classes a picture, 1 to 16 of them in a question", classes);
    flags.on("--small",
             "of bf16 alone, in the first of the modes: small things in --count large pictures, with and "
             "without tiles",
             small);
    flags.on("--help", "print this", help);
  }

  std::uint64_t seed() const {
    if (set == "development") return kDevelopmentSeed;
    if (set == "held-out") return scores ? kScoresHeldOutSeed : kHeldOutSeed;
    fail_usage("--set: expected development or held-out, found '", set, "'");
  }

  int images() const { return count > 0 ? count : set == "held-out" ? kHeldOutCount : kDevelopmentCount; }

  std::vector<NamedMode> chosen_modes() const {
    std::vector<NamedMode> chosen;
    for (const std::string& name : split(modes)) {
      const auto found =
          std::find_if(kModes.begin(), kModes.end(), [&](const NamedMode& m) { return m.name == name; });
      if (found == kModes.end()) fail_usage("--modes: expected slow, fast or hybrid, found '", name, "'");
      chosen.push_back(*found);
    }
    return chosen;
  }

  SessionOptions session_options() const {
    SessionOptions options;
    if (activations != "q8" && activations != "f32")
      fail_usage("--activations: expected q8 or f32, found '", activations, "'");
    options.activations = activations == "f32" ? ActivationFormat::f32 : ActivationFormat::q8;
    options.threads = threads;
    options.kept_prefixes = 0;
    return options;
  }

  static std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t end = std::min(list.find(',', begin), list.size());
      parts.push_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
    return parts;
  }
};

/// The runs of a format, those that are kept and those that have to be made.
std::vector<Run> runs_of(const std::string& format, const AccuracyFlags& flags, const Copies& copies,
                         const KeptRuns& kept, const std::vector<Case>& cases) {
  const std::size_t equals = format.find('=');
  const std::string name = format.substr(0, equals);
  std::vector<NamedMode> missing;
  for (const NamedMode& m : flags.chosen_modes())
    if (!kept.find(name, m.name)) missing.push_back(m);
  std::vector<Run> runs;
  if (!missing.empty()) {
    const std::string path = format == "bf16"              ? flags.checkpoint
                             : equals != std::string::npos ? format.substr(equals + 1)
                                                           : copies.make(recipe_named(name));
    Session session = Session::open(path, flags.session_options());
    runs = measure(session, name, missing, cases);
    for (const Run& run : runs) kept.put(run);
  }
  for (const NamedMode& m : flags.chosen_modes())
    if (const auto run = kept.find(name, m.name);
        run && std::none_of(runs.begin(), runs.end(), [&](const Run& r) { return r.mode == m.name; }))
      runs.push_back(*run);
  return runs;
}

void run(int argc, char** argv) {
  AccuracyFlags flags;
  cli::Flags parser;
  flags.add_to(parser);
  parser.parse(argc, argv);
  if (flags.help) {
    std::printf("%s%s", kAbout, parser.help().c_str());
    return;
  }
  std::vector<std::string> formats{"bf16"};
  for (const std::string& format : AccuracyFlags::split(flags.formats))
    if (format != "bf16") formats.push_back(format);
  for (const std::string& format : formats)
    if (format != "bf16" && format.find('=') == std::string::npos) recipe_named(format);

  const std::vector<Case> cases = make_cases(flags.images(), flags.seed());
  if (flags.scores) {
    Session session = Session::open(flags.checkpoint, flags.session_options());
    return print_scores(session, flags.chosen_modes(), cases);
  }
  if (flags.small)
    return print_small(flags.checkpoint, flags.session_options(), flags.chosen_modes()[0].mode,
                       flags.images(), flags.seed());
  if (flags.classes) {
    Session session = Session::open(flags.checkpoint, flags.session_options());
    return print_classes(session, flags.chosen_modes(), cases);
  }
  const KeptRuns kept(flags.keep, flags.seed(), flags.images());
  const Copies copies(flags.checkpoint);
  std::vector<Run> runs;
  print_head();
  for (const std::string& format : formats)
    for (Run& run : runs_of(format, flags, copies, kept, cases)) {
      runs.push_back(std::move(run));
      const Run& now = runs.back();
      const auto bf16 =
          std::find_if(runs.begin(), runs.end(), [&](const Run& r) { return r.mode == now.mode; });
      print_class(now, *bf16, cases, "shapes", true, false);
      print_class(now, *bf16, cases, "letters", false, true);
      print_class(now, *bf16, cases, "all", true, true);
      std::fflush(stdout);
    }
  if (!flags.viz.empty()) write_comparisons(flags.viz, cases, runs);
}

}  // namespace
}  // namespace la::scenes

int main(int argc, char** argv) {
  return la::cli::run_main("accuracy", [&] { return la::scenes::run(argc, argv); });
}
