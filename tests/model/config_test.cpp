#include "../support.hpp"

#include <optional>
#include <vector>

#include "../../la/core/error.hpp"
#include "../../la/model/config.hpp"

namespace {

using la::ModelConfig;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  return text.replace(at, from.size(), to);
}

/// A copy of the configs of the odd checkpoint, to be damaged.
class OddConfig {
 public:
  OddConfig() {
    for (const char* name : {"config.json", "preprocessor_config.json"}) {
      write(name, la::test::read_file(la::test::source(std::string("tests/checkpoints/odd/") + name)));
    }
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ / name) << text;
  }
  void replace(const std::string& name, const std::string& from, const std::string& to) const {
    write(name, replaced(la::test::read_file(directory_ / name), from, to));
  }
  ModelConfig load() const { return ModelConfig::load(directory_.str()); }
  std::string operator/(const std::string& name) const { return directory_ / name; }

  /// What follows "FILE: " in the message of load().
  std::string error(const std::string& name) const {
    const std::string prefix = directory_ / name + ": ";
    try {
      load();
    } catch (const la::Error& error) {
      const std::string message = error.what();
      CHECK_MESSAGE(message.rfind(prefix, 0) == 0, message);
      return message.substr(std::min(prefix.size(), message.size()));
    }
    return "no error";
  }

 private:
  la::test::TemporaryDirectory directory_;
};

struct Mutation {
  std::string from, to;  // the first occurrence
  std::string message;
};

void check_mutations(const std::string& name, const std::vector<Mutation>& mutations) {
  for (const Mutation& mutation : mutations) {
    CAPTURE(mutation.from);
    CAPTURE(mutation.to);
    const OddConfig config;
    config.replace(name, mutation.from, mutation.to);
    CHECK(config.error(name) == mutation.message);
  }
}

}  // namespace

TEST_CASE("config: the odd checkpoint") {
  const auto config = ModelConfig::load(la::test::source("tests/checkpoints/odd"));
  CHECK(config.directory == la::test::source("tests/checkpoints/odd"));
  CHECK(config.text.hidden_size == 80);
  CHECK(config.text.intermediate_size == 136);
  CHECK(config.text.layers == 3);
  CHECK(config.text.heads == 5);
  CHECK(config.text.kv_heads == 1);
  CHECK(config.text.head_dim == 16);
  CHECK(config.text.vocab_size == 1569);
  CHECK(config.text.max_positions == 2048);
  CHECK(config.text.rms_eps == 1e-6f);
  CHECK(config.text.rope_theta == 1e6);
  CHECK_FALSE(config.text.tie_word_embeddings);
  CHECK(config.vision.hidden_size == 72);
  CHECK(config.vision.intermediate_size == 100);
  CHECK(config.vision.layers == 2);
  CHECK(config.vision.heads == 3);
  CHECK(config.vision.head_dim == 24);
  CHECK(config.vision.patch_size == 14);
  CHECK(config.vision.grid_h == 6);
  CHECK(config.vision.grid_w == 6);
  CHECK(config.vision.merge == 2);
  CHECK(config.processor.in_token_limit == 90);
  CHECK_FALSE(config.quantization);
}

TEST_CASE("config: the shapes checkpoint") {
  const auto config = ModelConfig::load(la::test::source("data/shapes"));
  CHECK(config.text.hidden_size == 192);
  CHECK(config.text.head_dim == 32);
  CHECK(config.text.kv_heads == 2);
  CHECK(config.text.rope_theta == 1e4);
  CHECK(config.text.tie_word_embeddings);
  CHECK(config.vision.head_dim == 32);
  CHECK(config.vision.grid_w == 16);
  CHECK(config.tokens.image == 555);
  CHECK(config.tokens.box_start == 556);
  CHECK(config.tokens.box_end == 557);
  CHECK(config.tokens.ref_start == 560);
  CHECK(config.tokens.ref_end == 561);
  CHECK(config.tokens.coord_first == 565);
  CHECK(config.tokens.coord_last == 1565);
  CHECK(config.tokens.none == 338);
  CHECK(config.tokens.mask == 564);
  CHECK(config.tokens.null == 1566);
  CHECK(config.tokens.switch_to_ar == 1567);
  CHECK(config.tokens.end == 552);
  CHECK(config.processor.in_token_limit == 25600);
}

TEST_CASE("config: the released 3B") {
  const std::string directory = la::test::shared("checkpoints/3b-meta");
  if (!std::filesystem::exists(directory)) {
    MESSAGE("the 3B's configs are not here: skipped");
    return;
  }
  const auto config = ModelConfig::load(directory);
  CHECK(config.text.hidden_size == 2048);
  CHECK(config.text.intermediate_size == 11008);
  CHECK(config.text.layers == 36);
  CHECK(config.text.heads == 16);
  CHECK(config.text.kv_heads == 2);
  CHECK(config.text.head_dim == 128);
  CHECK(config.text.vocab_size == 152681);
  CHECK(config.text.max_positions == 32768);
  CHECK(config.text.rope_theta == 1e6);
  CHECK(config.text.tie_word_embeddings);
  CHECK(config.vision.hidden_size == 1152);
  CHECK(config.vision.intermediate_size == 4304);
  CHECK(config.vision.layers == 27);
  CHECK(config.vision.head_dim == 72);
  CHECK(config.vision.grid_h == 64);
  CHECK(config.tokens.image == 151665);
  CHECK(config.tokens.box_start == 151668);
  CHECK(config.tokens.box_end == 151669);
  CHECK(config.tokens.ref_start == 151672);
  CHECK(config.tokens.ref_end == 151673);
  CHECK(config.tokens.coord_first == 151677);
  CHECK(config.tokens.coord_last == 152677);
  CHECK(config.tokens.none == 4064);
  CHECK(config.tokens.mask == 151676);
  CHECK(config.tokens.null == 152678);
  CHECK(config.tokens.switch_to_ar == 152679);
  CHECK(config.tokens.end == 151645);
  CHECK(config.processor.in_token_limit == 25600);
  CHECK(config.processor.patch_size == 14);
  CHECK(config.processor.mean == std::array<float, 3>{0.5f, 0.5f, 0.5f});
}

TEST_CASE("config: a key that is missing, each in turn") {
  const std::vector<std::string> top{"image_token_index",    "box_start_token_id", "box_end_token_id",
                                     "coord_start_token_id", "coord_end_token_id", "ref_start_token_id",
                                     "ref_end_token_id",     "none_token_id",      "text_config",
                                     "vision_config"};
  const std::vector<std::string> text{"eos_token_id",        "block_size",
                                      "text_mask_token_id",  "null_token_id",
                                      "switch_token_id",     "hidden_size",
                                      "num_hidden_layers",   "num_attention_heads",
                                      "num_key_value_heads", "intermediate_size",
                                      "rope_theta",          "rms_norm_eps",
                                      "vocab_size",          "max_position_embeddings"};
  const std::vector<std::string> vision{"merge_kernel_size", "init_pos_emb_height", "init_pos_emb_width"};
  const auto check = [](const std::string& key, const std::string& path) {
    CAPTURE(key);
    const OddConfig config;
    config.replace("config.json", "\"" + key + "\"", "\"x_" + key + "\"");
    CHECK(config.error("config.json") == path + " is missing");
  };
  for (const std::string& key : top) check(key, key);
  for (const std::string& key : text) check(key, "text_config." + key);
  for (const std::string& key : vision) check(key, "vision_config." + key);
}

TEST_CASE("config: a size or setting of the decoder that cannot be") {
  const std::string heads = "text_config.num_attention_heads: expected ";
  check_mutations("config.json",
                  {{R"("hidden_size": 80)", R"("hidden_size": 0)",
                    "text_config.hidden_size: expected an integer in [1, 262144], found 0"},
                   {R"("hidden_size": 80)", R"("hidden_size": -80)",
                    "text_config.hidden_size: expected an integer in [1, 262144], found -80"},
                   {R"("hidden_size": 80)", R"("hidden_size": 80.0)",
                    "text_config.hidden_size: expected an integer in [1, 262144], found 80.0"},
                   {R"("hidden_size": 80)", R"("hidden_size": "80")",
                    R"(text_config.hidden_size: expected an integer in [1, 262144], found "80")"},
                   {R"("hidden_size": 80)", R"("hidden_size": 4611686018427387904)",
                    "text_config.hidden_size: expected an integer in [1, 262144], found 4611686018427387904"},
                   {R"("intermediate_size": 136)", R"("intermediate_size": null)",
                    "text_config.intermediate_size: expected an integer in [1, 262144], found null"},
                   {R"("num_hidden_layers": 3)", R"("num_hidden_layers": 1000000)",
                    "text_config.num_hidden_layers: expected an integer in [1, 1024], found 1000000"},
                   {R"("num_attention_heads": 5)", R"("num_attention_heads": 3)",
                    heads + "a divisor of hidden_size 80, found 3"},
                   {R"("num_attention_heads": 5)", R"("num_attention_heads": 80)",
                    heads + "heads whose size is a multiple of 2, not 1, found 80"},
                   {R"("num_attention_heads": 5)", R"("head_dim": 32, "num_attention_heads": 5)",
                    "text_config.head_dim: expected an integer in [16, 16], found 32"},
                   {R"("num_key_value_heads": 1)", R"("num_key_value_heads": 2)",
                    "text_config.num_key_value_heads: expected a divisor of num_attention_heads 5, found 2"},
                   {R"("num_key_value_heads": 1)", R"("num_key_value_heads": 10)",
                    "text_config.num_key_value_heads: expected an integer in [1, 5], found 10"},
                   {R"("vocab_size": 1569)", R"("vocab_size": 1000000000)",
                    "text_config.vocab_size: expected an integer in [1, 4194304], found 1000000000"},
                   {R"("max_position_embeddings": 2048)", R"("max_position_embeddings": 0)",
                    "text_config.max_position_embeddings: expected an integer in [1, 16777216], found 0"},
                   {R"("rms_norm_eps": 1e-06)", R"("rms_norm_eps": 0)",
                    "text_config.rms_norm_eps: expected a number in [1e-12, 0.1], found 0"},
                   {R"("rope_theta": 1000000.0)", R"("rope_theta": -1)",
                    "text_config.rope_theta: expected a number in [1, 1e+12], found -1"},
                   {R"("tie_word_embeddings": false)", R"("tie_word_embeddings": 0)",
                    "text_config.tie_word_embeddings: expected true or false, found 0"},
                   {R"("block_size": 6)", R"("block_size": 8)",
                    "text_config.block_size: expected an integer in [6, 6], found 8"},
                   {R"("causal_attn": false)", R"("causal_attn": true)",
                    "text_config.causal_attn: expected false, found true"},
                   {R"("use_sliding_window": false)", R"("use_sliding_window": true)",
                    "text_config.use_sliding_window: expected false, found true"},
                   {R"("hidden_act": "silu")", R"("hidden_act": "gelu")",
                    R"(text_config.hidden_act: expected "silu", found "gelu")"},
                   {R"("use_cache")", R"("rope_scaling": {"type": "yarn"}, "use_cache")",
                    "text_config.rope_scaling: expected null, found an object"},
                   {R"("text_config": {)", R"("text_config": [], "other": {)",
                    "text_config: expected an object, found an array"}});
}

TEST_CASE("config: a size or setting of the encoder that cannot be") {
  const std::string heads = "vision_config.num_attention_heads: expected ";
  check_mutations("config.json",
                  {{R"("hidden_size": 72)", R"("hidden_size": 1000000)",
                    "vision_config.hidden_size: expected an integer in [1, 262144], found 1000000"},
                   {R"("num_attention_heads": 3)", R"("num_attention_heads": 7)",
                    heads + "a divisor of hidden_size 72, found 7"},
                   {R"("num_attention_heads": 3)", R"("num_attention_heads": 4)",
                    heads + "heads whose size is a multiple of 4, not 18, found 4"},
                   {R"("num_hidden_layers": 2)", R"("num_hidden_layers": 0)",
                    "vision_config.num_hidden_layers: expected an integer in [1, 1024], found 0"},
                   {R"("patch_size": 14)", R"("patch_size": 1000)",
                    "vision_config.patch_size: expected an integer in [1, 256], found 1000"},
                   {R"("init_pos_emb_height": 6)", R"("init_pos_emb_height": 513)",
                    "vision_config.init_pos_emb_height: expected an integer in [1, 512], found 513"},
                   {R"("merge_kernel_size": [)", R"("merge_kernel_size": [2,)",
                    "vision_config.merge_kernel_size: expected 2 numbers, found an array"},
                   {R"("merge_kernel_size": [)", R"("merge_kernel_size": [4, 4], "x": [)",
                    "vision_config.merge_kernel_size[0]: expected an integer in [2, 2], found 4"}});
}

TEST_CASE("config: token ids outside the vocabulary or among the coordinates") {
  check_mutations(
      "config.json",
      {{R"("image_token_index": 555)", R"("image_token_index": 1569)",
        "image_token_index: expected an integer in [0, 1568], found 1569"},
       {R"("none_token_id": 338)", R"("none_token_id": -1)",
        "none_token_id: expected an integer in [0, 1568], found -1"},
       {R"("eos_token_id": 552)", R"("eos_token_id": [552])",
        "text_config.eos_token_id: expected an integer in [0, 1568], found an array"},
       {R"("null_token_id": 1566)", R"("null_token_id": 4294967296)",
        "text_config.null_token_id: expected an integer in [0, 1568], found 4294967296"},
       {R"("coord_end_token_id": 1565)", R"("coord_end_token_id": 565)",
        "coord_end_token_id: expected an id above coord_start_token_id 565, found 565"},
       {R"("box_end_token_id": 557)", R"("box_end_token_id": 565)",
        "box_end_token_id: expected an id that is not one of the coordinates, found 565"},
       {R"("text_mask_token_id": 564)", R"("text_mask_token_id": 1565)",
        "text_config.text_mask_token_id: expected an id that is not one of the coordinates, found 1565"}});
}

TEST_CASE("config: numbers and optional keys may be written as other tools write them") {
  const OddConfig config;
  config.replace("config.json", R"("rope_theta": 1000000.0)",
                 R"("rope_scaling": null, "rope_theta": 1000000)");
  config.replace("config.json", R"("tie_word_embeddings": false,)", "");
  config.replace("config.json", R"("use_sliding_window": false,)", "");
  config.replace("config.json", R"("hidden_act": "silu",)", R"("head_dim": 16,)");
  const ModelConfig loaded = config.load();
  CHECK(loaded.text.rope_theta == 1e6);
  CHECK_FALSE(loaded.text.tie_word_embeddings);
}

TEST_CASE("config: quantization_config, inside config.json or beside it") {
  const OddConfig config;
  config.write("quantization_config.json", R"({"bits": 4, "group_size": 128, "quant_method": "awq"})");
  const auto beside = config.load().quantization;
  REQUIRE(beside);
  CHECK(beside->bits == 4);
  CHECK(beside->group_size == 128);
  CHECK_FALSE(beside->sym);
  CHECK(beside->quant_method == "awq");
  CHECK(beside->packing_format == "");
  config.replace(
      "config.json", R"("template")",
      R"("quantization_config": {"bits": 4, "group_size": 32, "sym": true, "quant_method": "auto-round",
                    "packing_format": "auto_round:auto_gptq"}, "template")");
  const auto inside = config.load().quantization;
  REQUIRE(inside);
  CHECK(inside->group_size == 32);
  CHECK(inside->sym == true);
  CHECK(inside->packing_format == "auto_round:auto_gptq");
  config.replace("config.json", R"("bits": 4)", R"("bits": "4")");
  CHECK(config.error("config.json") ==
        R"(quantization_config.bits: expected an integer in [1, 16], found "4")");
}

TEST_CASE("config: the image processor's keys and their defaults") {
  const OddConfig config;
  config.write("preprocessor_config.json", "{}");
  const auto defaults = config.load().processor;
  CHECK(defaults.in_token_limit == 4096);
  CHECK(defaults.patch_size == 14);
  CHECK(defaults.merge == 2);
  config.write(
      "preprocessor_config.json",
      R"({"image_mean": [0.1, 0.2, 0], "image_std": [1, 0.25, 2.0], "in_token_limit": 7, "patch_size": 14})");
  const auto stated = config.load().processor;
  CHECK(stated.mean == std::array<float, 3>{0.1f, 0.2f, 0});
  CHECK(stated.std == std::array<float, 3>{1, 0.25f, 2});
  CHECK(stated.in_token_limit == 7);
}

TEST_CASE("config: an image processor that cannot be") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"in_token_limit": 0})", "in_token_limit: expected an integer in [1, 262144], found 0"},
      {R"({"image_std": [0.5, 0, 0.5]})", "image_std[1]: expected a number in [0.001, 1000], found 0"},
      {R"({"image_mean": [0.5]})", "image_mean: expected 3 numbers, found an array"},
      {R"({"merge_kernel_size": [1, 1]})", "merge_kernel_size[0]: expected an integer in [2, 2], found 1"},
      {R"({"patch_size": 16})", "patch_size: expected 14 as in vision_config, found 16"}};
  for (const auto& [text, message] : cases) {
    const OddConfig config;
    config.write("preprocessor_config.json", text);
    CHECK(config.error("preprocessor_config.json") == message);
  }
}

TEST_CASE("config: missing files are named") {
  for (const char* name : {"config.json", "preprocessor_config.json"}) {
    const OddConfig config;
    std::filesystem::remove(config / name);
    CHECK(config.error(name) == "No such file or directory");
  }
}

TEST_CASE("config: a long string and a long key are refused in short") {
  const std::string long_text(10'000'000, 'x');
  {
    const OddConfig config;
    config.replace("config.json", R"("hidden_size": 80)", R"("hidden_size": ")" + long_text + R"(")");
    const std::string error = config.error("config.json");
    CHECK(
        error.starts_with(R"(text_config.hidden_size: expected an integer in [1, 262144], found "xxxxxxxx)"));
    CHECK(error.size() < 200);
  }
  {
    const OddConfig config;  // in an array, shown whole if anything is
    config.replace("config.json", R"("hidden_act": "silu")", R"("hidden_act": [")" + long_text + R"("])");
    CHECK(config.error("config.json").size() < 4096);
  }
  {
    const OddConfig config;
    config.replace("config.json", R"("use_cache")", "\"" + long_text + R"(": 1, "use_cache")");
    CHECK_NOTHROW(config.load());  // keys that nobody asks for are passed over
  }
}

TEST_CASE("config: depth bombs are refused, in every file") {
  const std::string bomb = R"({"x":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
  for (const char* name : {"config.json", "preprocessor_config.json", "quantization_config.json"}) {
    const OddConfig config;
    config.write(name, bomb);
    CHECK(config.error(name).starts_with("not valid JSON: "));
  }
}

TEST_CASE("config: a quantisation that cannot be") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"bits": 0, "group_size": 128})", "bits: expected an integer in [1, 16], found 0"},
      {R"({"bits": 4, "group_size": -2})", "group_size: expected an integer in [-1, 262144], found -2"},
      {R"({"bits": 4, "group_size": 1e9})",
       "group_size: expected an integer in [-1, 262144], found 1000000000.0"},
      {R"({"bits": 4})", "group_size is missing"},
      {R"({"bits": 4, "group_size": 32, "sym": "yes"})", R"(sym: expected true or false, found "yes")"},
      {R"([])", "expected an object, found an array"}};
  for (const auto& [text, message] : cases) {
    const OddConfig config;
    config.write("quantization_config.json", text);
    CHECK(config.error("quantization_config.json") == message);
  }
}
