#include <cstring>

#include "../../la/core/scalar.hpp"
#include "../../la/core/storage.hpp"
#include "kernel_check.hpp"

namespace la::test {
namespace {

struct GemmCase {
  i64 m, n, k;
  kernels::Store store = kernels::Store::overwrite;
  bool bias = true;
};

std::string to_string(const GemmCase& c) {
  return "m " + std::to_string(c.m) + ", n " + std::to_string(c.n) + ", k " + std::to_string(c.k) +
         (c.store == kernels::Store::add ? ", add" : "") + (c.bias ? ", bias" : "");
}

/// Weights [N, K] in panels, as floats or bf16 bits.
template <class W>
std::vector<W> pack(const std::vector<float>& w, i64 n, i64 k) {
  std::vector<W> panels(std::size_t((n + 15) / 16 * 16 * k));
  for (i64 row = 0; row < n; ++row)
    for (i64 i = 0; i < k; ++i) {
      W& slot = panels[std::size_t((row / 16 * k + i) * 16 + row % 16)];
      if constexpr (sizeof(W) == 4)
        slot = w[std::size_t(row * k + i)];
      else
        slot = to_bf16(w[std::size_t(row * k + i)]).bits;
    }
  return panels;
}

/// Runs a kernel on the rows [m0, m0 + m) of A with odd strides and misaligned rows, checks the guards.
std::vector<float> run(kernels::GemmKernel* kernel, const GemmCase& c, const void* panels,
                       const std::vector<float>& a, const std::vector<float>& bias,
                       const std::vector<float>& old, i64 m0, i64 m) {
  const i64 lda = c.k + 3, ldc = c.n + 5;
  Guarded<float> in(m * lda, 1), out(m * ldc, 3);
  for (i64 i = 0; i < m; ++i) {
    for (i64 j = 0; j < c.k; ++j) in[i * lda + j] = a[std::size_t((m0 + i) * c.k + j)];
    for (i64 j = 0; j < c.n; ++j) out[i * ldc + j] = old[std::size_t((m0 + i) * c.n + j)];
  }
  Storage scratch(kernels::kGemmScratch * sizeof(float));
  kernels::Gemm g;
  g.a = in.data();
  g.lda = lda;
  g.panels = panels;
  g.bias = c.bias ? bias.data() : nullptr;
  g.c = out.data();
  g.ldc = ldc;
  g.m = m;
  g.n = c.n;
  g.k = c.k;
  g.store = c.store;
  g.scratch = scratch.as<float>();
  kernel(g);
  CHECK(out.intact());
  std::vector<float> result;
  Guarded<float> untouched(1);
  for (i64 i = 0; i < m; ++i) {
    for (i64 j = 0; j < c.n; ++j) result.push_back(out[i * ldc + j]);
    for (i64 j = c.n; j < ldc; ++j) CHECK(std::memcmp(&out[i * ldc + j], untouched.data() - 1, 4) == 0);
  }
  return result;
}

template <class W>
void check(const GemmCase& c, kernels::PanelFormat format) {
  CAPTURE(to_string(c));
  Noise noise(unsigned(c.m * 1000003 + c.n * 1009 + c.k));
  std::vector<float> a(std::size_t(c.m * c.k)), w(std::size_t(c.n * c.k)), bias(std::size_t(c.n)),
      old(std::size_t(c.m * c.n));
  for (auto* v : {&a, &w, &bias, &old})
    for (float& x : *v) x = noise();
  const std::vector<W> panels = pack<W>(w, c.n, c.k);

  const auto want = run(kernels::select_isa("scalar").gemm[format], c, panels.data(), a, bias, old, 0, c.m);
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    kernels::GemmKernel* kernel = kernels::select_isa(isa->name).gemm[format];
    const auto got = run(kernel, c, panels.data(), a, bias, old, 0, c.m);
    for (i64 m = 0; m < c.m; ++m)
      for (i64 n = 0; n < c.n; ++n) {
        // A chain of K fused multiply-adds errs by at most about K eps sum |a w|; the scalar sums in double.
        double bound =
            2 + std::abs(double(bias[std::size_t(n)])) + std::abs(double(old[std::size_t(m * c.n + n)]));
        for (i64 k = 0; k < c.k; ++k)
          bound += std::abs(double(a[std::size_t(m * c.k + k)]) * double(w[std::size_t(n * c.k + k)]));
        bound *= 6e-8 * double(c.k + 4) * 0.5;
        const std::size_t at = std::size_t(m * c.n + n);
        REQUIRE(std::abs(double(got[at]) - double(want[at])) <= bound);
      }
    // A row is the same bits alone, and in any split of the rows.
    for (i64 m = 0; m < c.m; m += 1 + c.m / 7) {
      const auto alone = run(kernel, c, panels.data(), a, bias, old, m, 1);
      REQUIRE(std::memcmp(alone.data(), got.data() + m * c.n, std::size_t(c.n) * sizeof(float)) == 0);
      const auto rest = run(kernel, c, panels.data(), a, bias, old, m, c.m - m);
      REQUIRE(std::memcmp(rest.data(), got.data() + m * c.n, rest.size() * sizeof(float)) == 0);
    }
  }
}

const GemmCase kGemmCases[] = {
    {1, 1, 1},
    {1, 16, 1},
    {1, 17, 5},
    {1, 64, 33},
    {1, 130, 300},
    {2, 15, 7},
    {3, 33, 64},
    {5, 48, 257},
    {6, 16, 256},
    {7, 31, 255},
    {11, 100, 20},
    {12, 161, 72},
    {13, 47, 513},
    {16, 40, 600},
    {17, 40, 600},
    {18, 16, 256},
    {31, 129, 259},
    {61, 70, 100},
    {241, 20, 300},
    {250, 7, 513},
    {481, 18, 17},
    {4, 40, 40, kernels::Store::add},
    {29, 33, 300, kernels::Store::add},
    {245, 33, 30, kernels::Store::add},
    {3, 20, 40, kernels::Store::overwrite, false},
    {40, 20, 270, kernels::Store::add, false},
};

}  // namespace

TEST_CASE("gemm f32: every ISA agrees with the scalar reference, row by row the same bits") {
  for (const GemmCase& c : kGemmCases) check<float>(c, kernels::PanelFormat::f32);
}

TEST_CASE("gemm bf16: every ISA agrees with the scalar reference, row by row the same bits") {
  for (const GemmCase& c : kGemmCases) check<std::uint16_t>(c, kernels::PanelFormat::bf16);
}

TEST_CASE("gemm: NaN, infinities and denormals go where the reference lets them go") {
  const GemmCase c{3, 20, 9};
  std::vector<float> a(27, 1.0f), w(180, 0.5f), bias(20, 0.0f), old(60, 0.0f);
  a[4] = NAN;
  a[9] = INFINITY;
  for (int i = 18; i < 27; ++i) a[std::size_t(i)] = 1e-41f;
  const auto panels = pack<float>(w, c.n, c.k);
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    const auto got = run(kernels::select_isa(isa->name).gemm[kernels::PanelFormat::f32], c, panels.data(), a,
                         bias, old, 0, 3);
    for (std::size_t n = 0; n < 20; ++n) {
      CHECK(std::isnan(got[n]));
      CHECK(got[20 + n] == INFINITY);
      CHECK(got[40 + n] == doctest::Approx(4.5e-41).epsilon(1e-3));
    }
  }
}

}  // namespace la::test
