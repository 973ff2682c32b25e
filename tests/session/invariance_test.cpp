#include "../../kernels/dispatch.hpp"
#include "../../la/image/load.hpp"
#include "../../la/image/resize.hpp"
#include "../../la/model/language.hpp"
#include "../../la/model/vision.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../support.hpp"

// A row's result depends on nothing but itself: not on threads, not on how its prompt was fed, not on its neighbours.
namespace la::test {
namespace {

struct Model {
  Model(const std::string& directory, const CpuOptions& options, WeightFormat format = WeightFormat::auto_)
      : config(ModelConfig::load(directory)),
        ops(make_cpu_ops(options)),
        checkpoint(Checkpoint::open(directory)),
        weights(load_weights(checkpoint, config, *ops, format)),
        language(config.text, config.tokens.mask, weights.language, *ops),
        workspace(*ops) {}

  /// The features, and then the projected rows.
  std::vector<float> encode(const Patches& patches, i64 chunk = kVisionChunk) {
    const i64 count = patches.grid_h * patches.grid_w;
    const i64 channels = config.vision.hidden_size, wide = config.text.hidden_size;
    std::vector<float> out(std::size_t(count * channels + count / 4 * wide));
    const Matrix features(out.data(), {count, channels}),
        projected(out.data() + features.size(), {count / 4, wide});
    VisionModel(config.vision, weights.vision, *ops, chunk).encode(patches, workspace, features);
    project(weights.projector, features, patches.grid_w, *ops, workspace, projected, chunk);
    return out;
  }

  /// Logits of one feed.
  std::vector<float> logits(KvCache& cache, std::span<const std::int32_t> sequence, bool block) {
    const SequenceInput feed{&cache, sequence, {}, block};
    std::vector<float> out(std::size_t(LanguageModel::logit_rows(feed) * config.text.vocab_size));
    language.forward(std::span(&feed, 1), workspace,
                     Matrix(out.data(), {LanguageModel::logit_rows(feed), config.text.vocab_size}));
    return out;
  }

  ModelConfig config;
  std::unique_ptr<Ops> ops;
  Checkpoint checkpoint;
  ModelWeights weights;
  LanguageModel language;
  Workspace workspace;
};

std::vector<std::int32_t> tokens(i64 count, i64 vocabulary) {
  std::vector<std::int32_t> ids;
  for (i64 i = 0; i < count; ++i) ids.push_back(std::int32_t((i * 7919 + 13) % vocabulary));
  return ids;
}

const char* const kCheckpoints[] = {"data/shapes", "tests/checkpoints/odd"};

/// body(make), where make(threads) is a model: for every ISA, checkpoint and kind of weights.
template <class Body>
void on_every_isa(const Body& body) {
  for (const kernels::Isa& isa : kernels::built_in_isas()) {
    if (!isa.supported()) continue;
    CAPTURE(isa.name);
    for (const char* checkpoint : kCheckpoints) {
      if (isa.name == "scalar" && checkpoint == kCheckpoints[0])
        continue;  // slow, and its loops know no tails
      CAPTURE(checkpoint);
      for (const WeightFormat format : {WeightFormat::auto_, WeightFormat::q8, WeightFormat::q4}) {
        CAPTURE(name_of(format));
        body([&](int threads) {
          return Model(source(checkpoint), {.threads = threads, .isa = isa.name, .region_work = 0}, format);
        });
      }
    }
  }
}

}  // namespace

TEST_CASE("invariance: vision and logits are the same bits with any number of threads") {
  on_every_isa([](const auto& make) {
    std::vector<float> vision, ar, block;
    for (int threads : {1, 2, 3, 5, 8, 16, 61}) {
      CAPTURE(threads);
      Model model = make(threads);
      const auto image = load_image(source("tests/goldens/shapes/images/00.png"));
      const auto features = model.encode(preprocess(image, model.config.processor));
      const auto ids = tokens(277, model.config.text.vocab_size);  // keys in several parts
      const auto a = model.language.make_cache(), b = model.language.make_cache();
      const auto one = model.logits(*a, ids, false), six = model.logits(*b, ids, true);
      if (threads == 1) {
        vision = features;
        ar = one;
        block = six;
      }
      CHECK(features == vision);
      CHECK(one == ar);
      CHECK(six == block);
    }
  });
}

TEST_CASE("invariance: a picture's patches in one go or in chunks give the same bits") {
  on_every_isa([](const auto& make) {
    Model model = make(2);
    const Image image = load_image(source("tests/goldens/shapes/images/00.png"));
    const auto patches =
        preprocess(resize_bicubic(image, 420, 196), model.config.processor);  // 30 x 14 where it may
    const auto whole = model.encode(patches);
    for (const i64 chunk : {1, 48, 50, 97}) {
      CAPTURE(chunk);
      CHECK(model.encode(patches, chunk) == whole);
    }
  });
}

TEST_CASE("invariance: a prompt in one go, in pieces or token by token gives the same bits") {
  on_every_isa([](const auto& make) {
    Model model = make(2);
    const auto ids = tokens(150, model.config.text.vocab_size);
    for (const bool block : {false, true}) {
      const auto whole = model.language.make_cache();
      const auto want = model.logits(*whole, ids, block);
      for (const i64 piece : {1, 6, 50, 63, 64, 65}) {
        CAPTURE(piece);
        const auto cache = model.language.make_cache();
        // Half the pieces end in a block step, whose window must leave no trace.
        for (i64 end = piece; end < i64(ids.size()); end += piece)
          model.logits(*cache, std::span(ids).first(std::size_t(end)), end / piece % 2 == 1);
        CHECK(model.logits(*cache, ids, block) == want);
      }
    }
  });
}

TEST_CASE("invariance: sequences fed together give the same bits as each alone") {
  on_every_isa([](const auto& make) {
    Model model = make(2);
    const i64 vocabulary = model.config.text.vocab_size;
    const auto ids = tokens(200, vocabulary);
    const struct {
      std::size_t length;
      bool block;
    } rows[] = {{40, false}, {130, true}, {1, false}, {64, true}, {65, false}};
    std::vector<float> want;
    std::vector<std::unique_ptr<KvCache>> caches;
    std::vector<SequenceInput> feeds;
    i64 logit_rows = 0;
    for (const auto& row : rows) {
      const auto alone = model.language.make_cache();
      const auto logits = model.logits(*alone, std::span(ids).first(row.length), row.block);
      want.insert(want.end(), logits.begin(), logits.end());
      caches.push_back(model.language.make_cache());
      feeds.push_back({caches.back().get(), std::span(ids).first(row.length), {}, row.block});
      logit_rows += LanguageModel::logit_rows(feeds.back());
    }
    std::vector<float> got(std::size_t(logit_rows * vocabulary));
    model.language.forward(feeds, model.workspace, Matrix(got.data(), {logit_rows, vocabulary}));
    CHECK(got == want);
    for (std::size_t i = 0; i < caches.size(); ++i) CHECK(caches[i]->length() == i64(rows[i].length));
  });
}

TEST_CASE("invariance: a prompt longer than one prefill chunk gives the same bits as in pieces") {
  Model model(source("data/shapes"), {});
  const auto ids = tokens(1300, model.config.text.vocab_size);
  const auto whole = model.language.make_cache(), pieces = model.language.make_cache();
  const auto want = model.logits(*whole, ids, true);
  for (std::size_t end = 90; end < ids.size(); end += 90)
    model.logits(*pieces, std::span(ids).first(end), false);
  CHECK(model.logits(*pieces, ids, true) == want);
}

TEST_CASE("workspace: a forward pass allocates nothing after the first") {
  Model model(source("data/shapes"), {});
  const Patches patches =
      preprocess(load_image(source("tests/goldens/shapes/images/01.png")), model.config.processor);
  const auto ids = tokens(100, model.config.text.vocab_size);
  const auto pass = [&] {
    model.encode(patches);
    const auto cache = model.language.make_cache();
    model.logits(*cache, ids, true);
  };
  pass();
  const i64 after_first = model.workspace.allocations();
  pass();
  CHECK(model.workspace.allocations() == after_first);
}

}  // namespace la::test
