#include <functional>

#include "kernel_check.hpp"

namespace la::test {
namespace {

const i64 kSizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 72, 100, 129, 1152, 4304};

/// Checks a kernel of every ISA against scalar: run(table, input, output) on misaligned, guarded buffers.
void check(const char* what, i64 inputs, i64 outputs, double tolerance,
           const std::function<void(const kernels::Table&, float*, float*)>& call, float scale = 3) {
  CAPTURE(what);
  CAPTURE(outputs);
  Noise noise{unsigned(outputs)};
  Guarded<float> x(inputs, 1), want(outputs), y(outputs, 3);
  noise.fill(x, scale);
  const std::vector<float> original = x.copy();
  call(kernels::select_isa("scalar"), x.data(), want.data());
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    for (i64 i = 0; i < inputs; ++i) x[i] = original[std::size_t(i)];
    call(kernels::select_isa(isa->name), x.data(), y.data());
    CHECK(y.intact());
    CHECK(x.intact());
    REQUIRE(relative_error(y.copy(), want.copy()) <= tolerance);
  }
}

}  // namespace

TEST_CASE("norms: every ISA agrees with the scalar reference on odd sizes") {
  for (i64 n : kSizes) {
    check("layer_norm", 3 * n, n, 2e-6, [n](const kernels::Table& t, float* x, float* y) {
      for (i64 i = 0; i < n; ++i) x[i] += 10;  // a mean that must not cancel badly
      t.layer_norm(x, x + n, x + 2 * n, 1e-5f, n, y);
    });
    check("rms_norm", 2 * n, n, 1e-6,
          [n](const kernels::Table& t, float* x, float* y) { t.rms_norm(x, x + n, 1e-6f, n, y); });
  }
}

TEST_CASE("rope: every ISA agrees with the scalar reference for any even head size") {
  for (i64 d : {2, 4, 16, 24, 30, 72, 80, 128}) {
    for (auto entry : {&kernels::Table::rope_halves, &kernels::Table::rope_interleaved})
      check("rope", 2 * d, d, 1e-6, [d, entry](const kernels::Table& t, float* x, float* y) {
        for (i64 i = 0; i < d; ++i) y[i] = x[i];
        (t.*entry)(y, x + d, x + d + d / 2, d);
      });
  }
}

TEST_CASE("activations: every ISA agrees with the scalar reference on odd sizes") {
  for (i64 n : kSizes) {
    for (auto entry : {&kernels::Table::gelu_tanh, &kernels::Table::gelu_erf})
      check("gelu", n, n, 1e-6,
            [n, entry](const kernels::Table& t, float* x, float* y) { (t.*entry)(x, n, y); });
    check(
        "swiglu", 2 * n, n, 1e-6,
        [n](const kernels::Table& t, float* x, float* y) { t.swiglu(x, x + n, n, y); }, 10);
    check("softmax", n, n, 2e-6, [n](const kernels::Table& t, float* x, float* y) {
      for (i64 i = 0; i < n; ++i) y[i] = x[i];
      t.softmax(y, n);
    });
  }
}

TEST_CASE("elementwise: NaN, infinities and denormals behave as the reference") {
  const std::vector<float> special{NAN,     INFINITY, -INFINITY, 0.0f,  -0.0f, 1e-41f,
                                   -1e-41f, 100.0f,   -100.0f,   1e30f, -1e30f};
  const i64 n = i64(special.size());
  const std::vector<float> ones(special.size(), 1.0f);
  const auto same = [](float a, float b) {
    return std::isnan(b)   ? std::isnan(a)
           : std::isinf(b) ? a == b
                           : std::abs(a - b) <= 1e-6f * std::max(1.0f, std::abs(b));
  };
  const kernels::Table scalar = kernels::select_isa("scalar");
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    const kernels::Table t = kernels::select_isa(isa->name);
    std::vector<float> got(special.size()), want(special.size());
    const auto compare = [&](const char* what) {
      CAPTURE(what);
      for (std::size_t i = 0; i < special.size(); ++i) {
        CAPTURE(special[i]);
        CAPTURE(got[i]);
        CAPTURE(want[i]);
        CHECK(same(got[i], want[i]));
      }
    };
    t.gelu_tanh(special.data(), n, got.data());
    scalar.gelu_tanh(special.data(), n, want.data());
    compare("gelu_tanh");
    t.gelu_erf(special.data(), n, got.data());
    scalar.gelu_erf(special.data(), n, want.data());
    compare("gelu_erf");
    t.swiglu(special.data(), ones.data(), n, got.data());
    scalar.swiglu(special.data(), ones.data(), n, want.data());
    compare("swiglu");
    got = want = {-INFINITY, 1, 2, -INFINITY, 3, -1000, 0};
    t.softmax(got.data(), 7);
    scalar.softmax(want.data(), 7);
    for (std::size_t i = 0; i < 7; ++i) CHECK(same(got[i], want[i]));
    got = {-INFINITY, -INFINITY};
    t.softmax(got.data(), 2);
    CHECK(got == std::vector<float>{0, 0});
  }
}

}  // namespace la::test
