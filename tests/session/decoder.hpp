#pragma once

#include <memory>
#include <span>
#include <vector>

#include "../../la/model/language.hpp"
#include "../support.hpp"

namespace la::test {

/// The decoder of the odd checkpoint alone, on any backend, fed with tokens.
struct Decoder {
  explicit Decoder(std::unique_ptr<Ops> o)
      : config(ModelConfig::load(source("tests/checkpoints/odd"))),
        ops(std::move(o)),
        weights(load_weights(Checkpoint::open(source("tests/checkpoints/odd")), config, *ops,
                             WeightFormat::auto_)),
        language(config.text, config.tokens.mask, weights.language, *ops),
        workspace(*ops) {}

  std::vector<float> logits(KvCache& cache, std::span<const std::int32_t> sequence, bool block) {
    const SequenceInput feed{&cache, sequence, {}, block};
    const Workspace::Scope scope(workspace);
    const Matrix out = workspace.matrix(LanguageModel::logit_rows(feed), config.text.vocab_size);
    language.forward(std::span(&feed, 1), workspace, out);
    std::vector<float> host(std::size_t(out.size()));
    ops->download(out.data, host.data(), host.size() * sizeof(float));
    return host;
  }

  std::vector<std::int32_t> tokens(i64 count, i64 step) const {
    std::vector<std::int32_t> ids;
    for (i64 i = 0; i < count; ++i) ids.push_back(std::int32_t((i * step + 13) % config.text.vocab_size));
    return ids;
  }

  ModelConfig config;
  std::unique_ptr<Ops> ops;
  ModelWeights weights;
  LanguageModel language;
  Workspace workspace;
};

/// `a` up to `shared`, then `b`.
inline std::vector<std::int32_t> joined(std::span<const std::int32_t> a, i64 shared,
                                        std::span<const std::int32_t> b) {
  std::vector<std::int32_t> ids(a.begin(), a.begin() + shared);
  ids.insert(ids.end(), b.begin(), b.end());
  return ids;
}

/// A sequence of `count` tokens that is forked after some of them, and its fork, go on as if each were alone.
inline void check_forks(Decoder& d, i64 count, std::initializer_list<i64> shares) {
  const auto ids = d.tokens(count, 71), other = d.tokens(70, 29);
  for (const i64 shared : shares)
    for (const bool block : {false, true}) {
      CAPTURE(shared);
      CAPTURE(block);
      const auto branch = joined(ids, shared, other), longer = joined(ids, count, other);
      const auto alone = d.language.make_cache(), whole = d.language.make_cache();
      const auto want_branch = d.logits(*alone, branch, block), want_longer = d.logits(*whole, longer, block);

      const auto cache = d.language.make_cache();
      d.logits(*cache, ids, block);
      const auto forked = cache->fork(shared);
      CHECK(forked->length() == shared);
      CHECK(cache->length() == count);
      // Either may write first.
      if (block) CHECK(d.logits(*cache, longer, block) == want_longer);
      CHECK(d.logits(*forked, branch, block) == want_branch);
      if (!block) CHECK(d.logits(*cache, longer, block) == want_longer);
    }
}

}  // namespace la::test
