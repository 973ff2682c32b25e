#pragma once

#include <simdjson.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../../la/image/load.hpp"
#include "../../la/io/safetensors.hpp"
#include "../../la/model/language.hpp"
#include "../../la/model/vision.hpp"
#include "../../la/session/session.hpp"
#include "../support.hpp"

// What the reference implementation computes, stage by stage and token by token.
namespace la::test {

struct Golden {
  std::string image, question;
  AskOptions options;
  std::vector<std::int32_t> prompt_ids, answer_ids;
  i64 grid_h = 0, grid_w = 0, forward_steps = 0, switches_to_ar = 0;
};

inline std::vector<std::int32_t> ids(simdjson::dom::element array) {
  std::vector<std::int32_t> out;
  for (std::int64_t id : array.get_array()) out.push_back(std::int32_t(id));
  return out;
}

inline std::vector<Golden> load_goldens(const std::string& folder) {
  simdjson::dom::parser parser;
  std::vector<Golden> goldens;
  for (simdjson::dom::element c : parser.load(folder + "/cases.json").get_array()) {
    Golden g;
    g.image = folder + "/images/" + std::string(std::string_view(c["image"]));
    g.question = std::string(std::string_view(c["question"]));
    const std::string_view mode = c["mode"];
    g.options.generation.mode = mode == "slow" ? Mode::slow : mode == "fast" ? Mode::fast : Mode::hybrid;
    g.options.generation.stop = StopPolicy::official;
    g.options.generation.max_new_tokens = std::int64_t(c["max_new_tokens"]);
    if (simdjson::dom::object params; c["params"].get(params) == simdjson::SUCCESS) {
      Sampling& s = g.options.generation.sampling;
      double value;
      if (params["repetition_penalty"].get(value) == simdjson::SUCCESS) s.repetition_penalty = float(value);
      if (params["top_p"].get(value) == simdjson::SUCCESS) s.top_p = float(value);
    }
    g.grid_h = std::int64_t(c["grid_hw"].at(0));
    g.grid_w = std::int64_t(c["grid_hw"].at(1));
    g.prompt_ids = ids(c["prompt_ids"]);
    g.answer_ids = ids(c["answer_ids"]);
    g.forward_steps = std::int64_t(c["forward_steps"]);
    g.switches_to_ar = std::int64_t(c["switch_to_ar"]);
    goldens.push_back(std::move(g));
  }
  return goldens;
}

struct Suite {
  const char* name;
  const char* checkpoint;
  std::size_t cases;
};
inline const Suite kSuites[] = {{"shapes", "data/shapes", 73}, {"odd", "tests/checkpoints/odd", 26}};

inline void check_answers(const SessionOptions& options) {
  for (const Suite& suite : kSuites) {
    const auto goldens = load_goldens(source(std::string("tests/goldens/") + suite.name));
    REQUIRE(goldens.size() == suite.cases);
    Session session = Session::open(source(suite.checkpoint), options);
    std::map<std::string, EncodedImage> encoded;
    int same = 0;
    for (std::size_t k = 0; k < goldens.size(); ++k) {
      const Golden& g = goldens[k];
      CAPTURE(session.ops().name());
      CAPTURE(suite.name);
      CAPTURE(k);
      if (!encoded.count(g.image)) encoded[g.image] = session.encode(load_image(g.image));
      const EncodedImage& image = encoded[g.image];
      CHECK(image.grid_h == g.grid_h);
      CHECK(image.grid_w == g.grid_w);
      const Result result = session.ask(image, PromptText(g.question), g.options);
      CHECK(result.prompt_tokens == i64(g.prompt_ids.size()));
      CHECK(result.token_ids == g.answer_ids);
      // Slow mode drafts: the same ids in no more passes; without drafts the reference's own passes.
      if (g.options.generation.mode == Mode::slow) {
        CHECK(result.forward_steps <= g.forward_steps);
        AskOptions single = g.options;
        single.generation.speculate = false;
        const Result plain = session.ask(image, PromptText(g.question), single);
        CHECK(plain.token_ids == g.answer_ids);
        CHECK(plain.forward_steps == g.forward_steps);
      } else {
        CHECK(result.forward_steps == g.forward_steps);
      }
      CHECK(result.switches_to_ar == g.switches_to_ar);
      const bool ended = i64(g.answer_ids.size()) < g.options.generation.max_new_tokens;
      CHECK(result.stop == (ended ? StopReason::eos : StopReason::max_tokens));
      same += result.token_ids == g.answer_ids;
    }
    MESSAGE(session.ops().name(), ", ", std::string(suite.name), ": ", same, " of ", goldens.size(),
            " answers identical");
  }
}

/// How many answers have the golden's ids, of how many: for backends that round activations.
inline std::pair<std::size_t, std::size_t> count_same_answers(const SessionOptions& options) {
  std::pair<std::size_t, std::size_t> same;
  for (const Suite& suite : kSuites) {
    Session session = Session::open(source(suite.checkpoint), options);
    for (const Golden& g : load_goldens(source(std::string("tests/goldens/") + suite.name))) {
      const Result result =
          session.ask(session.encode(load_image(g.image)), PromptText(g.question), g.options);
      same.first += result.token_ids == g.answer_ids;
      ++same.second;
    }
  }
  return same;
}

inline std::vector<float> stored(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor* tensor = file.find(name);
  REQUIRE_MESSAGE(tensor, name);
  std::vector<float> values(std::size_t(tensor->size()));
  read_f32(*tensor, 0, values);
  return values;
}

inline std::vector<float> to_host(Ops& ops, ConstMatrix view) {
  std::vector<float> host(std::size_t(view.size()));
  ops.download(view.data, host.data(), host.size() * sizeof(float));
  return host;
}

/// The stages of one golden, each from the real output of the one before.
inline void check_stages(const Suite& suite, std::unique_ptr<Ops> ops, double tolerance = 2e-4) {
  const std::string folder = source(std::string("tests/goldens/") + suite.name),
                    directory = source(suite.checkpoint);
  const auto goldens = load_goldens(folder);
  const auto tensors = SafetensorsFile::open(folder + "/tensors.safetensors");
  const ModelConfig config = ModelConfig::load(directory);
  const Checkpoint checkpoint = Checkpoint::open(directory);
  const ModelWeights weights = load_weights(checkpoint, config, *ops, WeightFormat::auto_);
  VisionModel vision(config.vision, weights.vision, *ops);
  LanguageModel language(config.text, config.tokens.mask, weights.language, *ops);
  Workspace workspace(*ops);

  std::size_t checked = 0;
  for (std::size_t k = 0; tensors.find(std::to_string(k) + ".pixel_values"); ++k, ++checked) {
    const std::string name = std::to_string(k) + ".";
    CAPTURE(ops->name());
    CAPTURE(suite.name);
    CAPTURE(k);
    const Image picture = load_image(goldens[k].image);
    const Patches patches = preprocess(picture, config.processor);
    CHECK(relative_error(patches.values, stored(tensors, name + "pixel_values")) <= 1e-7);

    const Workspace::Scope scope(workspace);
    const i64 rows = patches.grid_h * patches.grid_w / 4;
    const Matrix features = workspace.matrix(4 * rows, config.vision.hidden_size);
    const Matrix merged = workspace.matrix(rows, 4 * config.vision.hidden_size);
    vision.encode(ops->make_patches(picture, {picture.width, picture.height}, config.processor, nullptr),
                  workspace, features);
    merge_patches(features, patches.grid_w, 0, *ops, merged);
    CHECK(relative_error(to_host(*ops, merged), stored(tensors, name + "vision")) <= tolerance);

    const Matrix projected = workspace.matrix(rows, config.text.hidden_size);
    project(weights.projector, features, patches.grid_w, *ops, workspace, projected);
    CHECK(relative_error(to_host(*ops, projected), stored(tensors, name + "projected")) <= tolerance);

    const auto& prompt = goldens[k].prompt_ids;
    const i64 first = std::find(prompt.begin(), prompt.end(), config.tokens.image) - prompt.begin();
    const ImageRows image{projected, first};
    for (const bool block : {false, true}) {
      const auto cache = language.make_cache();
      const SequenceInput feed{cache.get(), prompt, std::span(&image, 1), block};
      const Matrix logits = workspace.matrix(LanguageModel::logit_rows(feed), config.text.vocab_size);
      language.forward(std::span(&feed, 1), workspace, logits);
      CHECK(relative_error(to_host(*ops, logits),
                           stored(tensors, name + (block ? "logits_mtp" : "logits_ar"))) <= tolerance);
      CHECK(cache->length() == i64(prompt.size()));
    }
  }
  CHECK(checked >= 3);
}

}  // namespace la::test
