#include <bit>
#include <cmath>
#include <vector>

#include "../../la/io/safetensors_writer.hpp"
#include "../../la/weights/packed_file.hpp"
#include "../../la/ops/ops.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../support.hpp"
#include "../ops/packed_panels.hpp"

// Panels used where they lie in a file.
namespace la::test {
namespace {

constexpr PanelFormat kFormats[] = {PanelFormat::f32, PanelFormat::bf16, PanelFormat::q8,
                                    PanelFormat::q4_g128, PanelFormat::q4_g32};
constexpr PanelSize kSize{49, 200};

/// A packed file of one weight and its bias.
struct OnePanelFile {
  explicit OnePanelFile(PanelFormat format)
      : own(random_panels(format, kSize)), bias(normal_values(kSize.outputs, 9)) {
    const std::size_t bytes = detail::padded_panels(format, kSize.outputs, kSize.inputs);
    write_safetensors(directory / "model.safetensors",
                      {{kPackedVersionKey, kPackedVersion},
                       {"w", detail::describe_panels(format, kSize.outputs, kSize.inputs)}},
                      {{"w.panels",
                        DType::u8,
                        {i64(bytes)},
                        [&](const TensorSource::Sink& sink) {
                          sink({own->panels(0), own->panel_bytes()});
                          sink(std::vector<std::byte>(bytes - own->panel_bytes()));
                        }},
                       {"w.bias", DType::f32, {kSize.outputs}, [&](const TensorSource::Sink& sink) {
                          sink(std::as_bytes(std::span(bias)));
                        }}});
    checkpoint.emplace(Checkpoint::open(directory.str()));
    stored = find_panels(*checkpoint, "w", kSize.outputs, kSize.inputs);
    REQUIRE(stored);
    part.panels = &*stored;
    part.bias = checkpoint->find("w.bias");
  }

  std::unique_ptr<PackedWeight> pack(WeightFormat format) const {
    Team team(2);
    return PackedWeight::pack(std::span(&part, 1), format, &team);
  }

  TemporaryDirectory directory;
  std::unique_ptr<PackedWeight> own;
  std::vector<float> bias;
  std::optional<Checkpoint> checkpoint;
  std::optional<StoredPanels> stored;
  WeightPart part;
};

}  // namespace

TEST_CASE("packed panels: mapped, they give the bits that the same panels give in memory, plus the bias") {
  for (PanelFormat format : kFormats)
    for (ActivationFormat activations : {ActivationFormat::f32, ActivationFormat::q8}) {
      CAPTURE(layout_name(format));
      const OnePanelFile file(format);
      const auto mapped = file.pack(WeightFormat::auto_);
      CHECK(mapped->panel_format() == format);
      CHECK(mapped->panels(0) == file.stored->panels->bytes.data());
      CpuOptions options;
      options.activations = activations;
      const auto ops = make_cpu_ops(options);
      const std::vector<float> x = normal_values(3 * kSize.inputs, 5);
      const ConstMatrix in(x.data(), {3, kSize.inputs});
      std::vector<float> got(3 * std::size_t(kSize.outputs), NAN), want = got;
      ops->linear(in, *mapped, {got.data(), {3, kSize.outputs}}, Store::overwrite);
      ops->linear(in, *file.own, {want.data(), {3, kSize.outputs}}, Store::overwrite);
      for (std::size_t i = 0; i < got.size(); ++i)
        REQUIRE(got[i] == want[i] + file.bias[i % std::size_t(kSize.outputs)]);
    }
}

TEST_CASE("packed panels: a mapped table is gathered row by row") {
  for (PanelFormat format : kFormats) {
    CAPTURE(layout_name(format));
    const OnePanelFile file(format);
    const auto mapped = file.pack(WeightFormat::auto_);
    const std::vector<float> all = rows_of(*file.own);
    const std::vector<std::int32_t> ids{48, 3, 3, 16};
    std::vector<float> rows(ids.size() * std::size_t(kSize.inputs), NAN);
    make_cpu_ops()->embedding(*mapped, ids, {rows.data(), {i64(ids.size()), kSize.inputs}});
    for (std::size_t i = 0; i < ids.size(); ++i)
      for (i64 k = 0; k < kSize.inputs; ++k)
        REQUIRE(rows[i * std::size_t(kSize.inputs) + std::size_t(k)] ==
                all[std::size_t(ids[i] * kSize.inputs + k)]);
  }
}

TEST_CASE("packed panels: asked for as floats, they are widened to the values they stand for") {
  for (PanelFormat format : kFormats) {
    CAPTURE(layout_name(format));
    const OnePanelFile file(format);
    const auto wide = file.pack(WeightFormat::f32);
    CHECK(wide->panel_format() == PanelFormat::f32);
    CHECK(rows_of(*wide) == rows_of(*file.own));
    CHECK(std::vector<float>(wide->bias(), wide->bias() + kSize.outputs) == file.bias);
  }
}

}  // namespace la::test
