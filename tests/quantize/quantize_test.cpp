#include "../../la/quantize/quantize.hpp"

#include <filesystem>

#include "../../la/core/error.hpp"
#include "../../la/image/load.hpp"
#include "../../la/weights/int4_checkpoint.hpp"
#include "../../la/session/session.hpp"
#include "../../la/weights/packed_weight.hpp"
#include "../../la/text/task.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../support.hpp"

namespace la::test {
namespace {

const char* const kBundled = "data/shapes";

QuantizeOptions options_of(QuantizeFormat format, QuantizeMethod method = QuantizeMethod::rtn) {
  QuantizeOptions o;
  o.format = format;
  o.method = method;
  if (method == QuantizeMethod::calibrated)
    for (const char* phrase : {"red circle", "blue ring"})
      o.samples.push_back(
          {load_image(source("data/pictures/shapes.png")), question(Task::ground_single, phrase)});
  return o;
}

Result ask(const std::string& directory, const SessionOptions& options = {}) {
  Session session = Session::open(directory, options);
  return session.ground(session.encode(load_image(source("data/pictures/shapes.png"))), "red circle");
}

std::vector<float> rows_of(const Weight& w) {
  const auto& packed = static_cast<const PackedWeight&>(w);
  std::vector<float> rows(std::size_t(w.outputs() * w.inputs()));
  for (i64 n = 0; n < w.outputs(); ++n) packed.row(n, rows.data() + n * w.inputs());
  return rows;
}

ModelWeights weights_of(const std::string& directory, Ops& ops, WeightFormat format = WeightFormat::auto_) {
  return load_weights(Checkpoint::open(directory), ModelConfig::load(directory), ops, format);
}

}  // namespace

TEST_CASE("quantize: a packed file gives the answers of the same rounding while loading") {
  TemporaryDirectory directory;
  const std::string out = directory / "q8";
  const QuantizeSummary s = quantize(source(kBundled), out, options_of(QuantizeFormat::q8));
  CHECK(s.bytes < s.source_bytes);
  SessionOptions rounded;
  rounded.weights = WeightFormat::q8;
  CHECK(ask(out).token_ids == ask(source(kBundled), rounded).token_ids);
  CHECK(Session::open(out).weight_format() == "q8");
}

TEST_CASE("quantize: the packed file is mapped, its panels where they lie in the file") {
  TemporaryDirectory directory;
  const std::string out = directory / "mixed";
  quantize(source(kBundled), out, options_of(QuantizeFormat::mixed));
  const auto ops = make_cpu_ops();
  const Checkpoint checkpoint = Checkpoint::open(out);
  const ModelWeights w = load_weights(checkpoint, ModelConfig::load(out), *ops, WeightFormat::auto_);
  const auto& down = static_cast<const PackedWeight&>(*w.language.layers[0].down);
  CHECK(down.panel_format() == PanelFormat::q4_g32);
  CHECK(down.panels(0) ==
        checkpoint.find("language_model.model.layers.0.mlp.down_proj.panels")->bytes.data());
  CHECK(w.vision.blocks[0].kv->format() == "q8");
  CHECK(w.language.embedding->format() == "q8");
}

TEST_CASE("quantize: mapped weights outlive the checkpoint, and can be widened") {
  TemporaryDirectory directory;
  const std::string out = directory / "q4";
  quantize(source(kBundled), out, options_of(QuantizeFormat::q4));
  const auto ops = make_cpu_ops();
  const ModelWeights mapped = weights_of(out, *ops), wide = weights_of(out, *ops, WeightFormat::f32);
  CHECK(mapped.language.embedding->format() == "q4");
  CHECK(wide.language.embedding->format() == "f32");
  CHECK(rows_of(*mapped.language.embedding) == rows_of(*wide.language.embedding));
  CHECK(rows_of(*mapped.language.layers[1].gate_up) == rows_of(*wide.language.layers[1].gate_up));
}

TEST_CASE("quantize: a 4-bit embedding table is gathered row by row") {
  TemporaryDirectory directory;
  const std::string out = directory / "q4";
  quantize(source(kBundled), out, options_of(QuantizeFormat::q4));
  const auto ops = make_cpu_ops();
  const ModelWeights w = weights_of(out, *ops);
  const Weight& table = *w.language.embedding;
  const std::vector<float> all = rows_of(table);
  const std::vector<std::int32_t> ids{0, std::int32_t(table.outputs() - 1), 17, 17, 552};
  std::vector<float> got(ids.size() * std::size_t(table.inputs()));
  ops->embedding(table, ids, {got.data(), {i64(ids.size()), table.inputs()}});
  for (std::size_t i = 0; i < ids.size(); ++i)
    for (i64 c = 0; c < table.inputs(); ++c)
      REQUIRE(got[i * std::size_t(table.inputs()) + std::size_t(c)] ==
              all[std::size_t(ids[i] * table.inputs() + c)]);
}

TEST_CASE("quantize: the layout of other tools holds the same values as the packed file") {
  // One part at a time: the packed file rounds more of what lies before a layer, which its calibration sees.
  for (ModelPart chosen : {ModelPart::vision, ModelPart::decoder}) {
    TemporaryDirectory directory;
    const std::string packed = directory / "packed", gptq = directory / "gptq";
    QuantizeOptions options = options_of(QuantizeFormat::q4, QuantizeMethod::calibrated);
    options.parts = {chosen};
    quantize(source(kBundled), packed, options);
    options.layout = QuantizeLayout::gptq;
    quantize(source(kBundled), gptq, options);
    const Checkpoint stored = Checkpoint::open(gptq);
    CHECK(bool(stored.find("vision_model.encoder.blocks.0.wqkv.qweight")) == (chosen == ModelPart::vision));
    CHECK(bool(stored.find("vision_model.encoder.blocks.0.wqkv.weight")) == (chosen != ModelPart::vision));
    CHECK(stored.find("language_model.model.embed_tokens.weight"));
    CHECK(ModelConfig::load(gptq).quantization->group_size == 32);

    const auto ops = make_cpu_ops();
    const ModelWeights a = weights_of(packed, *ops), b = weights_of(gptq, *ops);
    CHECK(rows_of(*a.vision.blocks[2].kv) == rows_of(*b.vision.blocks[2].kv));
    CHECK(rows_of(*a.language.layers[3].qkv) == rows_of(*b.language.layers[3].qkv));
    CHECK(rows_of(*a.language.layers[0].down) == rows_of(*b.language.layers[0].down));
    CHECK(b.language.layers[0].down->format() == (chosen == ModelPart::decoder ? "q4" : "bf16"));
  }
}

TEST_CASE("quantize: 4-bit integers give the ids of their dequantised values as floats") {
  TemporaryDirectory directory;
  const std::string out = directory / "gptq";
  QuantizeOptions options = options_of(QuantizeFormat::q4);
  options.layout = QuantizeLayout::gptq;
  quantize(source(kBundled), out, options);
  SessionOptions integers, floats;
  integers.activations = ActivationFormat::f32;
  floats.weights = WeightFormat::f32;
  CHECK(ask(out, integers).token_ids == ask(out, floats).token_ids);
}

TEST_CASE("quantize: each step of the calibration lowers the error") {
  TemporaryDirectory directory;
  const QuantizeSummary s = quantize(source(kBundled), directory / "q4",
                                     options_of(QuantizeFormat::q4, QuantizeMethod::calibrated));
  CHECK(s.errors.outputs > 0);
  CHECK(s.errors.search < s.errors.rtn);
  CHECK(s.errors.feedback < 0.6 * s.errors.search);
  CHECK(s.errors.refined < 0.9 * s.errors.feedback);
}

TEST_CASE("quantize: only the parts asked for are changed") {
  TemporaryDirectory directory;
  QuantizeOptions options = options_of(QuantizeFormat::q8);
  options.parts = {ModelPart::decoder};
  quantize(source(kBundled), directory / "out", options);
  const auto ops = make_cpu_ops();
  const ModelWeights w = weights_of(directory / "out", *ops), before = weights_of(source(kBundled), *ops);
  CHECK(w.language.layers[0].o->format() == "q8");
  CHECK(w.vision.blocks[0].fc1->format() == "bf16");
  CHECK(rows_of(*w.vision.blocks[0].fc1) == rows_of(*before.vision.blocks[0].fc1));
}

TEST_CASE("quantize: an interrupted run goes on, and ends with the same file") {
  TemporaryDirectory directory;
  QuantizeOptions options = options_of(QuantizeFormat::q8);
  quantize(source(kBundled), directory / "whole", options);
  struct Stop {};
  int steps = 0;
  options.progress = [&](std::string_view, double) {
    if (++steps == 10) throw Stop{};
  };
  CHECK_THROWS_AS(quantize(source(kBundled), directory / "parts", options), Stop);
  options.progress = {};
  CHECK_THROWS_WITH_AS(quantize(source(kBundled), directory / "parts", options),
                       doctest::Contains("empty directory"), Error);
  steps = 0;
  options.resume = true;
  options.progress = [&](std::string_view, double) { ++steps; };
  quantize(source(kBundled), directory / "parts", options);
  CHECK(steps < 40);
  CHECK(read_file(directory / "parts/model.safetensors") == read_file(directory / "whole/model.safetensors"));
  CHECK(!std::filesystem::exists(directory / "parts/.quantize"));
}

TEST_CASE("quantize: an interrupted calibration goes on, and ends with the same file") {
  TemporaryDirectory directory;
  QuantizeOptions options = options_of(QuantizeFormat::q4, QuantizeMethod::calibrated);
  quantize(source(kBundled), directory / "whole", options);
  struct Stop {};
  // In the middle of the decoder: what was finished of it must not change what the rest of it is fitted to.
  options.progress = [](std::string_view step, double) {
    if (step == "language_model.model.layers.2.self_attn.o_proj") throw Stop{};
  };
  CHECK_THROWS_AS(quantize(source(kBundled), directory / "parts", options), Stop);
  options.progress = {};
  options.resume = true;
  quantize(source(kBundled), directory / "parts", options);
  CHECK(read_file(directory / "parts/model.safetensors") == read_file(directory / "whole/model.safetensors"));
}

TEST_CASE("quantize: later layers are fitted to what quantised ones make of the pictures") {
  TemporaryDirectory directory;
  QuantizeOptions options = options_of(QuantizeFormat::q4, QuantizeMethod::calibrated);
  quantize(source(kBundled), directory / "all", options);
  options.parts = {ModelPart::decoder};
  quantize(source(kBundled), directory / "decoder", options);
  const auto ops = make_cpu_ops();
  const ModelWeights a = weights_of(directory / "all", *ops), b = weights_of(directory / "decoder", *ops);
  CHECK(rows_of(*a.language.layers[0].qkv) != rows_of(*b.language.layers[0].qkv));
}

TEST_CASE("quantize: what cannot be done is refused") {
  TemporaryDirectory directory;
  QuantizeOptions gptq = options_of(QuantizeFormat::mixed);
  gptq.layout = QuantizeLayout::gptq;
  CHECK_THROWS_WITH_AS(quantize(source(kBundled), directory / "a", gptq), doctest::Contains("--format q4"),
                       Error);
  QuantizeOptions blind = options_of(QuantizeFormat::q4);
  blind.method = QuantizeMethod::calibrated;
  CHECK_THROWS_WITH_AS(quantize(source(kBundled), directory / "b", blind), doctest::Contains("--calibration"),
                       Error);
  quantize(source(kBundled), directory / "q8", options_of(QuantizeFormat::q8));
  CHECK_THROWS_WITH_AS(quantize(directory / "q8", directory / "c", options_of(QuantizeFormat::q8)),
                       doctest::Contains("expected floats to quantise"), Error);
}

TEST_CASE("packed file: another version, format or size is refused by name") {
  TemporaryDirectory directory;
  const std::string out = directory / "q8";
  quantize(source(kBundled), out, options_of(QuantizeFormat::q8));
  const std::string whole = read_file(out + "/model.safetensors");
  const auto refused = [&](const std::string& what, const std::string& by, const char* message) {
    REQUIRE(what.size() == by.size());
    std::string text = whole;
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    std::ofstream(out + "/model.safetensors", std::ios::binary) << text.replace(at, what.size(), by);
    CHECK_THROWS_WITH_AS(check_weights(Checkpoint::open(out), ModelConfig::load(out)),
                         doctest::Contains(message), Error);
  };
  refused("\"la_packed\":\"1\"", "\"la_packed\":\"2\"", "expected a packed file of version 1, found 2");
  refused("\"q8_g128 128 128\"", "\"q8_g129 128 128\"", "expected a format with 128 outputs");
  refused("\"mlp1.1\":\"q8_g128 ", "\"mlp1.1\":\"q4_g128 ", "mlp1.1.panels: expected U8");
}

}  // namespace la::test
