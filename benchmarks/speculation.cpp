// What drafts buy slow mode, and what they cost where they do not hold.
//
//   speculation --model-dir DIR                         the drawn picture of data/, asked for its shapes
//   speculation --model-dir DIR --image a.jpg --phrase "red car" --tokens 64
//
// Three parts: answers with and without drafts, turn and turn about; which drafts hold, by kind of token; and what a single
// step and a step with five drafts cost, from which follow the speed when all hold and the rate at which drafts pay.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "examples/cli/flags.hpp"
#include "examples/cli/run_main.hpp"
#include "la/core/stopwatch.hpp"
#include "la/la.hpp"
#include "la/session/engine.hpp"

namespace la::speculation {
namespace {

struct Options {
  std::string model_dir, weights = "auto", isa;
  std::vector<std::string> images, phrases;
  int tokens = 64, rounds = 5, threads = 0;
  bool json = false, help = false;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

SessionOptions session_options(const Options& o) {
  SessionOptions session;
  session.weights = parse_weight_format(o.weights);
  session.isa = o.isa;
  session.threads = o.threads;
  return session;
}

GenerationOptions slow(const Options& o, bool speculate) {
  GenerationOptions generation;
  generation.mode = Mode::slow;
  generation.max_new_tokens = o.tokens;
  generation.speculate = speculate;
  return generation;
}

struct Answers {
  double seconds = 0;  // of all steps but the first of each answer
  i64 tokens = 0, passes = 0, drafted = 0, accepted = 0;
  std::vector<std::vector<std::int32_t>> ids;
};

Answers ask_all(Session& session, const Options& o, const std::vector<EncodedImage>& images, bool speculate) {
  Answers all;
  AskOptions ask;
  ask.generation = slow(o, speculate);
  for (const EncodedImage& image : images)
    for (const std::string& phrase : o.phrases) {
      const Result result = session.ask(image, question(Task::ground_multi, phrase), ask);
      all.seconds += result.decode_seconds;
      all.tokens += i64(result.token_ids.size());
      all.passes += result.forward_steps;
      all.drafted += result.drafted;
      all.accepted += result.accepted;
      all.ids.push_back(result.token_ids);
    }
  return all;
}

/// error: an answer that drafts changed
void answers(const Options& o) {
  Session session = Session::open(o.model_dir, session_options(o));
  std::vector<EncodedImage> images;
  for (const std::string& path : o.images) images.push_back(session.encode(load_image(path)));
  std::vector<double> with_seconds, without_seconds, ratios;
  Answers with, without;
  ask_all(session, o, images, true);  // prompts are kept from now on
  for (int round = 0; round < o.rounds; ++round) {
    const bool first = round % 2 == 0;
    (first ? with : without) = ask_all(session, o, images, first);
    (first ? without : with) = ask_all(session, o, images, !first);
    require(with.ids == without.ids,
            "speculation: expected the same tokens with and without drafts, found others");
    with_seconds.push_back(with.seconds);
    without_seconds.push_back(without.seconds);
    ratios.push_back(with.seconds / without.seconds);
  }
  if (o.json)
    std::printf(
        "{\"part\": \"answers\", \"answers\": %zu, \"tokens\": %lld, \"passes\": %lld, \"passes_single\": "
        "%lld, "
        "\"drafted\": %lld, \"accepted\": %lld, \"seconds\": %.6f, \"seconds_single\": %.6f, \"ratio\": "
        "%.4f}\n",
        with.ids.size(), (long long)with.tokens, (long long)with.passes, (long long)without.passes,
        (long long)with.drafted, (long long)with.accepted, median(with_seconds), median(without_seconds),
        median(ratios));
  else
    std::printf(
        "answers: %zu, %lld tokens; passes %lld, single %lld; drafts %lld, held %lld (%.0f %%); decoding "
        "%.4f s, "
        "single %.4f s, ratio %.3f (median of %d)\n",
        with.ids.size(), (long long)with.tokens, (long long)with.passes, (long long)without.passes,
        (long long)with.drafted, (long long)with.accepted,
        100.0 * double(with.accepted) / double(std::max(with.drafted, i64{1})), median(with_seconds),
        median(without_seconds), median(ratios), o.rounds);
}

/// One sequence on the model itself.
class Decoder {
 public:
  Decoder(Engine& engine, const Image& image, const PromptText& asked)
      : engine_(engine),
        image_(engine.encode(image, 0, true, Interrupt())),
        prompt_(build_prompt(engine.tokenizer, engine.config.tokens, asked,
                             std::vector<i64>{image_.rows.shape[0]})),
        cache_(engine.language.make_cache()) {
    rows_.push_back({image_.rows, prompt_.images[0].first});
  }

  const std::vector<std::int32_t>& prompt() const noexcept { return prompt_.ids; }
  KvCache& cache() noexcept { return *cache_; }

  /// Seconds of a forward pass; f sees the logits.
  template <class F>
  double forward(std::span<const std::int32_t> ids, bool block, i64 token_rows, const F& f) {
    SequenceInput input{cache_.get(), ids, rows_, block, token_rows};
    const Workspace::Scope scope(engine_.workspace);
    const Matrix logits =
        engine_.workspace.matrix(LanguageModel::logit_rows(input), engine_.config.text.vocab_size);
    Stopwatch watch;
    engine_.language.forward(std::span(&input, 1), engine_.workspace, logits);
    const double seconds = watch.lap();
    f(logits);
    return seconds;
  }

 private:
  Engine& engine_;
  EncodedImage image_;
  Prompt prompt_;
  std::vector<ImageRows> rows_;
  std::unique_ptr<KvCache> cache_;
};

struct Kind {
  const char* name;
  i64 drafted = 0, held = 0;
};

/// Drafts in every step, whether they pay or not, so that each kind is seen.
void kinds(const Options& o, Engine& engine) {
  const SpecialTokens& special = engine.config.tokens;
  std::array<Kind, 3> all{{{"coordinates"}, {"words"}, {"structure"}}};
  const auto kind_of = [&](std::int32_t id) -> Kind& {
    if (special.is_coord(id)) return all[0];
    const bool structure = id == special.box_start || id == special.box_end || id == special.ref_start ||
                           id == special.ref_end || id == special.end;
    return all[structure ? 2 : 1];
  };
  constexpr double kFree = 1e9;  // rows that cost nothing: always worth a draft
  for (const std::string& path : o.images)
    for (const std::string& phrase : o.phrases) {
      Decoder decoder(engine, load_image(path), question(Task::ground_multi, phrase));
      Generation generation(special, slow(o, true), decoder.prompt(), engine.tokenizer.model_max_length(),
                            PassCost{kFree, 1});
      while (!generation.finished()) {
        const i64 before = i64(generation.sequence().size()), count = generation.drafts();
        const std::vector<std::int32_t> input(generation.input().begin(), generation.input().end());
        const bool drafted = generation.next_step() == Generation::Step::draft;
        decoder.forward(input, drafted, count + 1,
                        [&](const Matrix& logits) { generation.accept(logits, engine.team.get()); });
        const i64 checked = std::min(count, drafted ? generation.rows_used() : i64{0});
        for (i64 i = 0; i < checked && before + i < i64(generation.sequence().size()); ++i) {
          Kind& kind = kind_of(generation.sequence()[std::size_t(before + i)]);
          ++kind.drafted;
          kind.held += generation.sequence()[std::size_t(before + i)] == input[std::size_t(before + i)];
        }
        decoder.cache().truncate(std::min(decoder.cache().length(), i64(generation.sequence().size()) - 1));
      }
    }
  for (const Kind& kind : all)
    if (o.json)
      std::printf("{\"part\": \"kinds\", \"kind\": \"%s\", \"drafted\": %lld, \"held\": %lld}\n", kind.name,
                  (long long)kind.drafted, (long long)kind.held);
    else
      std::printf("%-12s %lld of %lld drafts held (%.0f %%)\n", kind.name, (long long)kind.held,
                  (long long)kind.drafted,
                  100.0 * double(kind.held) / double(std::max(kind.drafted, i64{1})));
}

/// The rate p of drafts that hold, each as likely, at which 1 + p + .. + p^5 tokens a pass are worth its cost.
double break_even(double cost) {
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double p = (low + high) / 2;
    double tokens = 0;
    for (int k = 0; k < kBlockSize; ++k) tokens += std::pow(p, k);
    (tokens < cost ? low : high) = p;
  }
  return (low + high) / 2;
}

void costs(const Options& o, Engine& engine) {
  Decoder decoder(engine, load_image(o.images[0]), question(Task::ground_multi, o.phrases[0]));
  const auto ignored = [](const Matrix&) {};
  std::vector<std::int32_t> ids = decoder.prompt();
  decoder.forward(ids, false, 1, ignored);
  const i64 context = i64(ids.size()) - 1;
  std::vector<std::int32_t> drafted = ids;
  drafted.resize(ids.size() + kBlockSize - 1, engine.config.tokens.box_start);
  std::vector<double> single, draft, block;
  for (int round = 0; round < 4 * o.rounds; ++round) {
    decoder.cache().truncate(context);
    single.push_back(decoder.forward(ids, false, 1, ignored));
    decoder.cache().truncate(context);
    draft.push_back(decoder.forward(drafted, true, kBlockSize, ignored));
    decoder.cache().truncate(context);
    block.push_back(decoder.forward(drafted, true, 0, ignored));
  }
  const double one = median(single), with = median(draft), cost = with / one;
  if (o.json)
    std::printf(
        "{\"part\": \"costs\", \"context\": %lld, \"single_s\": %.6f, \"draft_s\": %.6f, \"block_s\": %.6f, "
        "\"speedup_all_hold\": %.3f, \"break_even\": %.3f}\n",
        (long long)context, one, with, median(block), double(kBlockSize) / cost, break_even(cost));
  else
    std::printf(
        "costs after %lld tokens: a single step %.4f s, one with five drafts %.4f s (%.2f; the same rows of "
        "a "
        "block without the drafts' logits %.4f s)\n"
        "when all drafts hold: %.1f tokens/s for %.1f, %.2f times; drafts pay when %.0f %% hold\n",
        (long long)context, one, with, cost, median(block), double(kBlockSize) / with, 1 / one,
        double(kBlockSize) / cost, 100 * break_even(cost));
}

int run(int argc, char** argv) {
  Options o;
  cli::Flags flags;
  flags.text("--model-dir", "DIR", "checkpoint", o.model_dir);
  flags.text("--image", "PATH", "may be repeated [the drawn picture of data/]",
             [&](const std::string& path) { o.images.push_back(path); });
  flags.text("--phrase", "TEXT", "may be repeated [the shapes of that picture]",
             [&](const std::string& phrase) { o.phrases.push_back(phrase); });
  flags.text("--weights", "NAME", "as of ground [auto]", o.weights);
  flags.text("--isa", "NAME", "as of ground [best]", o.isa);
  flags.number<int>("--threads", "[all cores, $OMP_NUM_THREADS]", o.threads, 1, 4096);
  flags.number<int>("--tokens", "of an answer, at most [64]", o.tokens, 1, 4096);
  flags.number<int>("--rounds", "of both ways [5]", o.rounds, 1, 1000);
  flags.on("--json", "one object a line", o.json);
  flags.on("--help", "print this", o.help);
  flags.parse(argc, argv);
  if (o.help) {
    std::cout << "speculation: what drafts buy slow mode\n\n" << flags.help();
    return 0;
  }
  if (o.model_dir.empty()) fail_usage("--model-dir: expected a checkpoint directory, found none");
  if (o.images.empty()) o.images = {LA_DATA_DIR "/pictures/shapes.png", LA_DATA_DIR "/pictures/crowd.png"};
  if (o.phrases.empty())
    o.phrases = {"red circle", "green star", "orange triangle", "blue square", "yellow ring"};
  answers(o);
  Engine engine(o.model_dir, session_options(o));
  kinds(o, engine);
  costs(o, engine);
  return 0;
}

}  // namespace
}  // namespace la::speculation

int main(int argc, char** argv) {
  return la::cli::run_main("speculation", [&] { return la::speculation::run(argc, argv); });
}
