// What more threads bring: measured on those that are here, replayed for those that are not.
//
//   scaling --model-dir DIR                             the drawn picture of data/, 448x448
//   scaling --model-dir DIR --side 224 --bandwidth 200
//
// Measured, for each number of threads up to the processor's: the seconds of a stage, their share of what the same on one thread
// would allow (linear), barriers a pass and a layer, threads made, and the share of time in which a worker of a region had
// no piece in hand. Replayed: one thread runs the pieces that a team of so many would deal, and each goes to the virtual
// worker that is free first; a barrier costs what it was measured to, in proportion to the workers, since each changes the
// same counter in turn; weights are read no faster than --bandwidth; what one thread does between the regions is said apart.
// Each piece has its least time of all repetitions, and all of a stage together the time that one thread was measured to take.
// The replay of the threads that are here is set beside what they take.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "examples/cli/flags.hpp"
#include "examples/cli/run_main.hpp"
#include "la/core/default_threads.hpp"
#include "la/image/resize.hpp"
#include "la/la.hpp"
#include "la/session/engine.hpp"
#include "machine.hpp"
#include "scaling/teams.hpp"

namespace la::scaling {
namespace {

struct Options {
  std::string model_dir, image = LA_DATA_DIR "/pictures/shapes.png", weights = "auto", isa;
  int threads = 0, side = 448, repetitions = 5;
  double bandwidth = 90, barrier = 0;
  bool help = false;
};

constexpr std::array kStages{"preprocess", "vision", "prefill", "block pass", "token pass"};

/// Calls stage(index, layers, body) for every stage of a picture, `repetitions` times for each pass.
template <class Run>
void each_stage(Engine& engine, const Options& o, const Run& stage) {
  const Image image = resize_bicubic(load_image(o.image), o.side, o.side, engine.team.get());
  const ModelConfig& config = engine.config;
  for (int r = 0; r < o.repetitions; ++r) {
    Patches patches;
    stage(0, 1, [&] { patches = preprocess(image, config.processor, engine.team.get()); });
    const i64 count = patches.grid_h * patches.grid_w, grid_w = patches.grid_w;
    const Workspace::Scope scope(engine.workspace);
    const Matrix features = engine.workspace.matrix(count, config.vision.hidden_size),
                 projected = engine.workspace.matrix(count / 4, config.text.hidden_size);
    stage(1, config.vision.layers, [&] {
      engine.vision.encode(std::move(patches), engine.workspace, features);
      project(engine.weights.projector, features, grid_w, *engine.ops, engine.workspace, projected);
    });
    const Prompt prompt =
        build_prompt(engine.tokenizer, config.tokens, question(Task::ground_multi, "red circle"),
                     std::vector<i64>{projected.shape[0]});
    const std::vector<ImageRows> rows{{projected, prompt.images[0].first}};
    const std::unique_ptr<KvCache> cache = engine.language.make_cache();
    const auto forward = [&](std::span<const std::int32_t> ids, bool block) {
      const SequenceInput input{cache.get(), ids, rows, block, block ? 0 : 1};
      const Workspace::Scope pass(engine.workspace);
      const Matrix logits = engine.workspace.matrix(LanguageModel::logit_rows(input), config.text.vocab_size);
      engine.language.forward(std::span(&input, 1), engine.workspace, logits);
    };
    stage(2, config.text.layers, [&] { forward(prompt.ids, false); });
    const i64 context = i64(prompt.ids.size());
    std::vector<std::int32_t> longer = prompt.ids;
    longer.resize(prompt.ids.size() + kBlockSize, config.tokens.box_start);
    for (int pass = 0; pass < 3; ++pass) {
      cache->truncate(context);
      stage(3, config.text.layers, [&] { forward(longer, true); });
      cache->truncate(context - 1);
      stage(4, config.text.layers, [&] { forward(prompt.ids, false); });
    }
  }
}

Engine open(const Options& o, const std::shared_ptr<Team>& team, RehearsingTeam* rehearsing) {
  SessionOptions session;
  session.weights = parse_weight_format(o.weights);
  session.isa = o.isa;
  session.team = team;
  session.wrap_ops = [rehearsing](std::unique_ptr<Ops> ops) {
    return std::make_unique<LabelingOps>(std::move(ops), rehearsing);
  };
  return Engine(o.model_dir, session);
}

struct Measured {
  double seconds = 1e300;  // the least of all repetitions
  i64 barriers = 0, layers = 1;
  double waited = 0;  // share
};
using MeasuredStages = std::array<Measured, kStages.size()>;

MeasuredStages measure(const Options& o, int threads, i64& made) {
  const i64 before = Team::threads_made();
  const auto team = std::make_shared<MeasuringTeam>(threads);
  Engine engine = open(o, team, nullptr);
  MeasuredStages all;
  each_stage(engine, o, [&](std::size_t index, i64 layers, const auto& body) {
    team->barriers = 0;
    team->waited = 0;
    const double start = seconds_now();
    body();
    const double taken = seconds_now() - start;
    if (taken < all[index].seconds) all[index] = {taken, team->barriers, layers, team->waited / taken};
  });
  made = Team::threads_made() - before;
  return all;
}

using RehearsedStages = std::array<Stage, kStages.size()>;

RehearsedStages rehearse(const Options& o, int workers) {
  const auto team = std::make_shared<RehearsingTeam>(workers);
  Engine engine = open(o, team, team.get());
  RehearsedStages all;
  each_stage(engine, o, [&](std::size_t index, i64, const auto& body) {
    team->regions.clear();
    const double start = seconds_now();
    body();
    const double taken = seconds_now() - start;
    Stage once{std::move(team->regions), taken};
    if (all[index].regions.empty())
      all[index] = std::move(once);
    else
      all[index].keep_least(once);
  });
  return all;
}

/// Seconds of a region of one phase in which there is nothing to do.
double barrier_cost(int threads) {
  if (threads < 2) return 0;
  Team team(threads);
  std::vector<double> each;
  for (int round = 0; round < 21; ++round) {
    constexpr int regions = 500;
    const double start = seconds_now();
    for (int i = 0; i < regions; ++i) team.run(Phase(threads, 1, [](i64, i64, int) {}));
    each.push_back((seconds_now() - start) / regions);
  }
  return bench::median(each);
}

void print_measured(int threads, i64 made, const MeasuredStages& now, const MeasuredStages& one) {
  for (std::size_t s = 0; s < kStages.size(); ++s)
    std::printf("%7d  %-11s %9.5f %7.0f %% %9lld %8.1f %6lld %10.1f %%\n", threads, kStages[s],
                now[s].seconds, 100 * one[s].seconds / (now[s].seconds * threads), (long long)now[s].barriers,
                double(now[s].barriers) / double(now[s].layers), (long long)made, 100 * now[s].waited);
  std::fflush(stdout);
}

/// No repetition has the least time of every piece: `alone` tells what they take together.
void print_replayed(int workers, Workplace place, const RehearsedStages& stages, const RehearsedStages& one,
                    const MeasuredStages& alone, const MeasuredStages* measured) {
  for (std::size_t s = 0; s < kStages.size(); ++s) {
    place.pace = alone[s].seconds / one[s].seconds;
    const double seconds = stages[s].replayed(place), floor = stages[s].bytes() / place.bandwidth;
    const Loss worst = worst_loss(stages[s], place, workers);
    std::printf("%7d  %-11s %9.5f %7.0f %% %9.0f %% %9.5f  %s %.5f s", workers, kStages[s], seconds,
                100 * alone[s].seconds / (seconds * workers), 100 * floor / seconds, stages[s].serial(),
                worst.op.c_str(), worst.seconds);
    if (measured)
      std::printf("; measured %.5f s, replay %+.1f %%", (*measured)[s].seconds,
                  100 * (seconds / (*measured)[s].seconds - 1));
    std::printf("\n");
  }
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  Options o;
  cli::Flags flags;
  flags.text("--model-dir", "DIR", "checkpoint", o.model_dir);
  flags.text("--image", "PATH", "[the drawn picture of data/]", o.image);
  flags.number<int>("--side", "pixels that the picture is resized to [448]", o.side, 28, 4096);
  flags.text("--weights", "NAME", "as of ground [auto]", o.weights);
  flags.text("--isa", "NAME", "as of ground [best]", o.isa);
  flags.number<int>("--threads", "measured: 1 to this [all cores]", o.threads, 1, 4096);
  flags.number<int>("--repetitions", "of which the fastest counts, of each piece that is replayed [5]",
                    o.repetitions, 1, 1000);
  flags.number<double>("--bandwidth", "GB/s that all virtual workers read together [90]", o.bandwidth, 0.001,
                       1e6);
  flags.number<double>("--barrier", "microseconds of a barrier of 16 workers [measured here, in proportion]",
                       o.barrier, 0.001, 1e6);
  flags.on("--help", "print this", o.help);
  flags.parse(argc, argv);
  if (o.help) {
    std::cout << "scaling: what more threads bring, measured and replayed\n\n" << flags.help();
    return 0;
  }
  if (o.model_dir.empty()) fail_usage("--model-dir: expected a checkpoint directory, found none");
  const int here = o.threads > 0 ? o.threads : usable_cpus();
  const double barrier = barrier_cost(here);
  const double a_worker = o.barrier > 0 ? o.barrier * 1e-6 / 16 : barrier / std::max(here, 1);
  bench::Machine machine("scalar", here);
  double read = 0;  // the most of five: a disturbed one says nothing of memory
  for (int i = 0; i < 5; ++i) read = std::max(read, machine.read());
  std::printf("CPU: %s; %d threads: barrier %.2f us, read %.1f GB/s\n", bench::cpu_name().c_str(), here,
              1e6 * barrier, 1e-9 * read);

  std::printf("\nmeasured\n%7s  %-11s %9s %9s %9s %8s %6s %12s\n", "threads", "stage", "seconds", "linear",
              "barriers", "a layer", "made", "waiting");
  std::vector<MeasuredStages> measured;
  for (int threads = 1; threads <= here; ++threads) {
    i64 made = 0;
    measured.push_back(measure(o, threads, made));
    print_measured(threads, made, measured.back(), measured.front());
  }

  std::printf("\nreplayed: %.2f us a barrier of 16 workers, %.0f GB/s\n%7s  %-11s %9s %9s %11s %9s  %s\n",
              16e6 * a_worker, o.bandwidth, "workers", "stage", "seconds", "linear", "of the read", "between",
              "worst op: seconds beyond its share");
  const RehearsedStages one = rehearse(o, 1);
  std::vector<int> widths{4, 8, 16, 32, 64};
  if (here > 1) widths.insert(widths.begin(), here);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const bool is_here = i == 0 && here > 1;
    const Workplace place{is_here ? barrier : a_worker * widths[i], is_here ? read : o.bandwidth * 1e9};
    print_replayed(widths[i], place, rehearse(o, widths[i]), one, measured.front(),
                   is_here ? &measured.back() : nullptr);
  }
  return 0;
}

}  // namespace
}  // namespace la::scaling

int main(int argc, char** argv) {
  return la::cli::run_main("scaling", [&] { return la::scaling::run(argc, argv); });
}
