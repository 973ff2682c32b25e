#include "la/core/team.hpp"

#include "../../la/model/language.hpp"
#include "../../la/model/vision.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../../la/session/session.hpp"
#include "pictures.hpp"

// What a session asks of its threads.
namespace la::test {
namespace {

/// Counts the phases that workers wait for.
class CountingTeam final : public Team {
 public:
  explicit CountingTeam(int width) : Team(width) {}

  using Team::run;
  void run(std::span<const Phase> phases, int workers) override {
    if (std::min(workers, width()) > 1)
      for (const Phase& phase : phases) barriers += phase.items() > 0;
    Team::run(phases, workers);
  }

  i64 barriers = 0;
};

}  // namespace

TEST_CASE("session: one of 16 threads makes 15, whatever it is asked") {
  const i64 before = Team::threads_made();
  SessionOptions options;
  options.threads = 16;
  Session session = Session::open(source("data/shapes"), options);
  CHECK(Team::threads_made() - before == 15);
  for (const char* name : {"00", "01"}) {
    const EncodedImage image = session.encode(golden_image(name));
    for (const Mode mode : {Mode::slow, Mode::fast, Mode::hybrid}) {
      AskOptions ask;
      ask.generation.mode = mode;
      ask.generation.max_new_tokens = 12;
      session.ground(image, "red circle", ask);  // the second and third find the prefix
    }
    std::vector<Request> requests(3);
    for (Request& request : requests) {
      request.images = {image};
      request.question = question(Task::ground_multi, "star");
      request.options.generation.max_new_tokens = 12;
    }
    session.batch(requests, {});
  }
  CHECK(Team::threads_made() - before == 15);
}

TEST_CASE("session: a decoder layer has at most five barriers while it decodes") {
  for (const char* checkpoint : {"data/shapes", "tests/checkpoints/odd"})
    for (const WeightFormat format : {WeightFormat::auto_, WeightFormat::q8, WeightFormat::q4}) {
      CAPTURE(checkpoint);
      CAPTURE(name_of(format));
      const auto team = std::make_shared<CountingTeam>(8);
      const std::unique_ptr<Ops> ops = make_cpu_ops({.team = team, .region_work = 0});
      const ModelConfig config = ModelConfig::load(source(checkpoint));
      const Checkpoint files = Checkpoint::open(source(checkpoint));
      const ModelWeights weights = load_weights(files, config, *ops, format);
      LanguageModel language(config.text, config.tokens.mask, weights.language, *ops);
      Workspace workspace(*ops);
      std::vector<std::int32_t> ids(40, 7);
      const std::unique_ptr<KvCache> cache = language.make_cache();
      for (const bool block : {false, true, false, true}) {
        const SequenceInput input{cache.get(), ids, {}, block, block ? 0 : 1};
        const Workspace::Scope scope(workspace);
        const Matrix logits = workspace.matrix(LanguageModel::logit_rows(input), config.text.vocab_size);
        team->barriers = 0;
        language.forward(std::span(&input, 1), workspace, logits);
        if (ids.size() > 40) CHECK(team->barriers <= 5 * config.text.layers + 1);  // and the head
        ids.insert(ids.end(), block ? 1 : 6, 9);
      }
    }
}

TEST_CASE("session: a layer of the vision tower has at most six barriers") {
  for (const WeightFormat format : {WeightFormat::auto_, WeightFormat::q8, WeightFormat::q4}) {
    CAPTURE(name_of(format));
    const auto team = std::make_shared<CountingTeam>(16);
    const std::unique_ptr<Ops> ops = make_cpu_ops({.team = team, .region_work = 0});
    const ModelConfig config = ModelConfig::load(source("data/shapes"));
    const Checkpoint files = Checkpoint::open(source("data/shapes"));
    const ModelWeights weights = load_weights(files, config, *ops, format);
    Workspace workspace(*ops);
    Patches patches;
    patches.grid_h = patches.grid_w = 32;  // of 448x448 pixels
    patches.values = std::vector<float>(std::size_t(1024 * weights.vision.patch_embed->inputs()), 0.5f);
    const Workspace::Scope scope(workspace);
    const Matrix features = workspace.matrix(1024, config.vision.hidden_size);
    team->barriers = 0;
    VisionModel(config.vision, weights.vision, *ops).encode(std::move(patches), workspace, features);
    CHECK(team->barriers <= 6 * config.vision.layers + 4);  // grid, patches: rows and product, last norm
  }
}

TEST_CASE("session: sessions may share a team") {
  const auto team = std::make_shared<CountingTeam>(2);
  SessionOptions options;
  options.team = team;
  options.threads = 7;  // the team's width counts
  const i64 before = Team::threads_made();
  Session one = Session::open(source("data/shapes"), options),
          other = Session::open(source("data/shapes"), options);
  CHECK(one.ops().threads() == 2);
  CHECK(other.ops().threads() == 2);
  CHECK(Team::threads_made() == before);
  team->barriers = 0;
  one.encode(golden_image("00"));
  CHECK(team->barriers > 0);
}

}  // namespace la::test
