#include "../../la/model/model_weights.hpp"

#include <filesystem>

#include "../../la/core/error.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../support.hpp"

namespace la::test {
namespace {

/// A copy of a checkpoint whose safetensors header can be edited; the edit must keep its length.
struct EditableCheckpoint {
  explicit EditableCheckpoint(const std::string& from) {
    for (const auto& entry : std::filesystem::directory_iterator(from))
      std::filesystem::copy(entry.path(), directory.str());
  }
  void replace(const std::string& file, const std::string& what, const std::string& by) {
    std::string text = read_file(directory / file);
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    REQUIRE((what.size() == by.size() || file.ends_with(".json")));
    text.replace(at, what.size(), by);
    std::ofstream(directory / file, std::ios::binary) << text;
  }
  void check() const { check_weights(Checkpoint::open(directory.str()), ModelConfig::load(directory.str())); }
  TemporaryDirectory directory;
};

}  // namespace

TEST_CASE("weights: both small checkpoints have every tensor that their config asks for") {
  for (const char* checkpoint : {"data/shapes", "tests/checkpoints/odd"}) {
    const std::string directory = source(checkpoint);
    CHECK_NOTHROW(check_weights(Checkpoint::open(directory), ModelConfig::load(directory)));
  }
}

TEST_CASE("weights: a missing tensor, a wrong shape and a wrong type are errors that name the tensor") {
  {
    EditableCheckpoint c(source("data/shapes"));
    c.replace("model.safetensors", "vision_model.encoder.blocks.2.wo.bias",
              "vision_model.encoder.blocks.2.wo.bios");
    CHECK_THROWS_WITH_AS(c.check(), doctest::Contains("vision_model.encoder.blocks.2.wo.bias"), Error);
  }
  {
    EditableCheckpoint c(source("data/shapes"));
    c.replace("config.json", "\"intermediate_size\": 512", "\"intermediate_size\": 511");
    CHECK_THROWS_WITH_AS(c.check(), doctest::Contains("language_model.model.layers.0.mlp.gate_proj.weight"),
                         Error);
  }
  {
    EditableCheckpoint c(source("data/shapes"));
    c.replace("model.safetensors", "mlp1.1.weight\": {\"dtype\": \"BF16\"",
              "mlp1.1.weight\": {\"dtype\": \"I16\" ");
    CHECK_THROWS_WITH_AS(c.check(), doctest::Contains("mlp1.1.weight: expected BF16, F16 or F32, found I16"),
                         Error);
  }
}

TEST_CASE(
    "weights: an untied model without a head is refused, a tied one with another head is warned about") {
  {
    EditableCheckpoint c(source("data/shapes"));
    c.replace("config.json", "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false");
    CHECK_THROWS_WITH_AS(c.check(), doctest::Contains("lm_head.weight"), Error);
  }
  {
    EditableCheckpoint c(source("tests/checkpoints/odd"));
    c.replace("config.json", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
    const auto ops = make_cpu_ops();
    const auto config = ModelConfig::load(c.directory.str());
    const ModelWeights weights =
        load_weights(Checkpoint::open(c.directory.str()), config, *ops, WeightFormat::auto_);
    REQUIRE(weights.warnings.size() == 1);
    CHECK(weights.warnings[0].find("lm_head.weight differs from the embedding") != std::string::npos);
    CHECK(&weights.language.head() == weights.language.embedding.get());
  }
}

TEST_CASE("weights: progress runs to the end, and bytes follow the format") {
  const std::string directory = source("data/shapes");
  const auto ops = make_cpu_ops();
  const auto config = ModelConfig::load(directory);
  const Checkpoint checkpoint = Checkpoint::open(directory);
  double last = 0;
  const auto progress = [&](double done) {
    CHECK(done > last);
    last = done;
  };
  const ModelWeights half = load_weights(checkpoint, config, *ops, WeightFormat::auto_, progress);
  CHECK(last == doctest::Approx(1));
  const ModelWeights full = load_weights(checkpoint, config, *ops, WeightFormat::f32);
  CHECK(full.bytes > 19 * half.bytes / 10);
  CHECK(half.language.layers[0].qkv->format() == "bf16");
  CHECK(full.language.layers[0].qkv->format() == "f32");
}

}  // namespace la::test
