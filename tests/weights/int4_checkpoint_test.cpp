#include <bit>
#include <cstring>
#include <filesystem>

#include "../../la/core/error.hpp"
#include "../../la/weights/packed_weight.hpp"
#include "../../la/ops/ops_check.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../../la/ops/ops_reference.hpp"
#include "../ops/packed_panels.hpp"
#include "../quantize/fixtures.hpp"

namespace la::test {
namespace {

struct Packing {
  const char* name;
  PanelFormat panels;
};

/// Groups of 64 become blocks of 32 with repeated scales; what no block follows becomes floats.
constexpr Packing kPackings[] = {{"gptq", PanelFormat::q4_g128},
                                 {"gptq_v2", PanelFormat::q4_g128},
                                 {"gptq_ordered", PanelFormat::q4_g32},
                                 {"gptq_shuffled", PanelFormat::f32},
                                 {"gptq_g64", PanelFormat::q4_g32},
                                 {"gptq_g24", PanelFormat::f32},
                                 {"gptq_one_group", PanelFormat::q4_g128},
                                 {"autoround", PanelFormat::q4_g128},
                                 {"autoround_plain", PanelFormat::q4_g128},
                                 {"autoround_gptqmodel", PanelFormat::q4_g128},
                                 {"no_config_sevens", PanelFormat::q4_g32},
                                 {"no_config_eights", PanelFormat::q4_g32},
                                 {"awq", PanelFormat::q4_g128},
                                 {"autoround_awq", PanelFormat::q4_g32},
                                 {"awq_no_config", PanelFormat::q4_g128}};

void check_bits(std::span<const float> got, std::span<const float> want) {
  REQUIRE(got.size() == want.size());
  std::size_t different = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    // A weight of zero has no sign: scale * 0 keeps the sign of the scale in one and drops it in the other.
    different += std::bit_cast<std::uint32_t>(got[i] + 0.0f) != std::bit_cast<std::uint32_t>(want[i] + 0.0f);
  CHECK(different == 0);
}

/// A fixture whose files can be edited.
struct Edited {
  explicit Edited(const std::string& name) {
    for (const auto& entry : std::filesystem::directory_iterator(fixtures() + "/" + name))
      std::filesystem::copy(entry.path(), directory.str());
  }
  void rename(const std::string& what, const std::string& by) {
    REQUIRE(what.size() == by.size());
    std::string text = read_file(directory / "model.safetensors");
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    std::ofstream(directory / "model.safetensors", std::ios::binary) << text.replace(at, what.size(), by);
  }
  void find(const std::optional<QuantizationConfig>& config, i64 outputs, i64 inputs) const {
    static_cast<void>(find_int4(Checkpoint::open(directory.str()), config, "w", outputs, inputs));
  }
  TemporaryDirectory directory;
};

QuantizationConfig config_of(i64 bits, i64 group, const char* method, const char* packing = "") {
  QuantizationConfig config;
  config.bits = bits;
  config.group_size = group;
  config.quant_method = method;
  config.packing_format = packing;
  return config;
}

}  // namespace

TEST_CASE("int4: every packing gives the values it stands for, bit for bit, as stored and as panels") {
  for (const Packing& packing : kPackings) {
    CAPTURE(packing.name);
    const Fixture fixture(packing.name);
    const StoredInt4 w = fixture.find();
    const std::vector<float> expected = fixture.expected();
    std::vector<float> values;
    for (i64 n = 0; n < w.outputs; ++n)
      for (i64 k = 0; k < w.inputs; ++k) values.push_back(w.value(k, n));
    check_bits(values, expected);

    Team team(2);
    WeightPart part;
    part.int4 = &w;
    const auto packed = PackedWeight::pack(std::span(&part, 1), WeightFormat::auto_, &team);
    CHECK(packed->panel_format() == packing.panels);
    check_bits(rows_of(*packed), expected);
    check_bits(rows_of(*PackedWeight::pack(std::span(&part, 1), WeightFormat::f32, nullptr)), expected);
  }
}

TEST_CASE("int4: rows of a stack keep their order, whatever panel they fall into") {
  const Fixture a("gptq"), b("awq");
  StoredInt4 first = a.find();
  const StoredInt4 second = b.find();
  first.first = 3;
  first.outputs = 21;
  WeightPart parts[2];
  parts[0].int4 = &first;
  parts[1].int4 = &second;
  Team team(2);
  const auto packed = PackedWeight::pack(parts, WeightFormat::auto_, &team);
  REQUIRE(packed->outputs() == 61);
  CHECK(packed->panel_format() == PanelFormat::q4_g128);
  std::vector<float> want = a.expected();
  want = {want.begin() + 3 * 256, want.begin() + 24 * 256};
  const std::vector<float> rest = b.expected();
  want.insert(want.end(), rest.begin(), rest.end());
  check_bits(rows_of(*packed), want);
}

TEST_CASE("int4: integers stacked with floats become floats that hold both exactly") {
  const Fixture f("gptq");
  const StoredInt4 integers = f.find();
  const StoredTensor& floats = f.checkpoint.get("w.expected", {40, 256});
  WeightPart parts[2];
  parts[0].int4 = &integers;
  parts[1].weight = &floats;
  const auto packed = PackedWeight::pack(parts, WeightFormat::auto_, nullptr);
  CHECK(packed->panel_format() == PanelFormat::f32);
  std::vector<float> want = f.expected();
  want.insert(want.end(), want.begin(), want.begin() + 40 * 256);
  check_bits(rows_of(*packed), want);
}

TEST_CASE("int4: the backends agree on a product, with activations of floats and of 8 bits") {
  const Fixture f("autoround_awq");
  const StoredInt4 w = f.find();
  WeightPart part;
  part.int4 = &w;
  std::vector<float> x(3 * 256), y(3 * 40);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(int(i * 37 % 101) - 50) / 50;
  for (ActivationFormat activations : {ActivationFormat::f32, ActivationFormat::q8}) {
    CpuOptions options;
    options.activations = activations;
    const auto ops = make_check_ops(make_cpu_ops(options), make_reference_ops(1, activations));
    const auto weight = ops->make_weight(std::span(&part, 1), WeightFormat::auto_);
    CHECK_NOTHROW(ops->linear({x.data(), {3, 256}}, *weight, {y.data(), {3, 40}}, Store::overwrite));
  }
}

TEST_CASE("int4: what cannot be read is refused by name") {
  const auto refused = [](const Edited& e, const std::optional<QuantizationConfig>& config,
                          const char* message, i64 outputs = 40, i64 inputs = 256) {
    CHECK_THROWS_WITH_AS(e.find(config, outputs, inputs), doctest::Contains(message), Error);
  };
  const Edited whole("gptq");
  refused(whole, config_of(8, 128, "gptq"), "w.qweight: expected 4 bits, found bits 8");
  refused(whole, config_of(4, 128, "bitsandbytes"),
          "w.qweight: expected quant_method gptq, awq or auto-round");
  refused(whole, config_of(4, 128, "auto-round", "auto_round:marlin"),
          "w.qweight: expected a packing_format");
  refused(whole, config_of(4, 96, "gptq"),
          "w.qweight: expected a group_size that divides its 256 inputs, found 96");
  refused(whole, config_of(4, 0, "gptq"), "w.qweight: expected a group_size that divides");
  refused(whole, config_of(4, 64, "gptq"), "w.qzeros");
  refused(whole, config_of(4, 128, "gptq"), "w.qweight: expected [33, 40]", 40, 264);
  refused(whole, std::nullopt, "w.qweight: expected a multiple of 8 outputs", 41, 256);
  Edited scales("gptq");
  scales.rename("w.scales", "w.scalee");
  refused(scales, std::nullopt, "w.scales beside it, found none");
  refused(scales, config_of(4, 128, "gptq"), "w.scales beside it, found none");
  Edited zeros("gptq");
  zeros.rename("w.qzeros", "w.qzerot");
  refused(zeros, config_of(4, 128, "gptq"), "w.qzeros");
  Edited shape("gptq");
  shape.rename("[2, 5]", "[5, 2]");
  refused(shape, config_of(4, 128, "gptq"), "w.qzeros");
  Edited type("gptq");
  type.rename("F16", "I16");
  refused(type, config_of(4, 128, "gptq"), "w.scales: expected F16, found I16");
}

TEST_CASE("int4: a group index out of range is refused") {
  const Fixture f("gptq_shuffled");
  CHECK_THROWS_WITH_AS(
      static_cast<void>(find_int4(f.checkpoint, config_of(4, 64, "gptq"), "w", f.outputs, f.inputs)),
      doctest::Contains("w.qzeros"), Error);
  Edited e("gptq_shuffled");
  std::string text = read_file(e.directory / "model.safetensors");
  const std::int32_t beyond = 4;
  std::memcpy(text.data() + text.size() - sizeof beyond, &beyond, sizeof beyond);
  std::ofstream(e.directory / "model.safetensors", std::ios::binary) << text;
  CHECK_THROWS_WITH_AS(e.find(f.config, f.outputs, f.inputs),
                       doctest::Contains("w.g_idx: expected groups below 4"), Error);
}

}  // namespace la::test
