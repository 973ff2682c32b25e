#include "../../la/ops/ops.hpp"
#include "../../la/ops/forwarding_ops.hpp"
#include "../../la/ops/ops_check.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../../la/ops/ops_reference.hpp"

#include "../../kernels/dispatch.hpp"
#include "../../la/core/error.hpp"
#include "all_ops.hpp"

// The check wrapper is the comparison: every op of the cpu backend, on every ISA, beside the reference.
namespace la::test {

TEST_CASE("ops: cpu agrees with reference on every op, shape and ISA") {
  for (const kernels::Isa& isa : kernels::built_in_isas()) {
    if (!isa.supported()) continue;
    for (int threads : {1, 3}) {
      const auto ops = make_check_ops(make_cpu_ops({.threads = threads, .isa = isa.name, .region_work = 0}),
                                      make_reference_ops(), 5e-6);
      CAPTURE(ops->name());
      CHECK_NOTHROW(run_all_ops(*ops));
      CHECK_NOTHROW(run_attention(*ops));
      // Of integer weights a normed row that differs by a bit may be quantised to other codes.
      for (const WeightFormat format : {WeightFormat::f32, WeightFormat::bf16})
        for (const i64 rows : {1, 20}) CHECK_NOTHROW(run_decoder_layer(*ops, rows, format));
    }
  }
}

namespace {

/// Gets one op wrong.
class BrokenOps final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;
  std::string_view name() const noexcept override { return "broken"; }
  void rms_norm(ConstMatrix x, ConstVector w, float e, Matrix y) override {
    ForwardingOps::rms_norm(x, w, e * 100, y);
  }
};

}  // namespace

TEST_CASE("ops: the check wrapper names the first op that differs") {
  const auto ops = make_check_ops(std::make_unique<BrokenOps>(make_cpu_ops()), make_reference_ops());
  std::vector<float> x(10, 0.01f), w(10, 1.0f);
  const ConstVector weight(w.data(), {10});
  const Matrix m(x.data(), {1, 10});
  CHECK_NOTHROW(ops->gelu(m, Gelu::tanh, m));
  CHECK_THROWS_WITH_AS(ops->rms_norm(m, weight, 1e-4f, m), doctest::Contains("op rms_norm, call 2"), Error);
}

TEST_CASE("ops: weights that cannot be packed are refused by name") {
  TemporaryDirectory directory;
  std::ofstream(directory / "f") << "x";
  const MappedFile file = MappedFile::open(directory / "f");
  const auto ops = make_cpu_ops();
  Stored good({4, 8}, DType::f32, file), other({4, 9}, DType::f32, file), bias({3}, DType::f32, file);
  good.tensor.name = "good";
  other.tensor.name = "other";
  bias.tensor.name = "bias";
  const WeightPart mixed[] = {{&good.tensor, nullptr}, {&other.tensor, nullptr}};
  CHECK_THROWS_WITH_AS(ops->make_weight(mixed, WeightFormat::auto_),
                       doctest::Contains("tensor other: expected 8 inputs"), Error);
  const WeightPart biased{&good.tensor, &bias.tensor};
  CHECK_THROWS_WITH_AS(ops->make_weight(std::span(&biased, 1), WeightFormat::auto_),
                       doctest::Contains("tensor bias: expected 4"), Error);
  good.tensor.dtype = DType::i32;
  const WeightPart integers{&good.tensor, nullptr};
  CHECK_THROWS_WITH_AS(ops->make_weight(std::span(&integers, 1), WeightFormat::auto_),
                       doctest::Contains("F32, F16 or BF16, found I32"), Error);
}

}  // namespace la::test
