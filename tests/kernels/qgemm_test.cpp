#include <cstring>

#include "../../la/core/scalar.hpp"
#include "../../la/core/storage.hpp"
#include "kernel_check.hpp"

namespace la::test {
namespace {

using kernels::PanelFormat;
using kernels::Q4Block;
using kernels::Q8Block;
using kernels::Table;

enum class Fill { noise, low, high };

struct QCase {
  i64 m, n, k;
  kernels::Store store = kernels::Store::overwrite;
  bool bias = true;
  Fill fill = Fill::noise;
};

std::string to_string(const QCase& c) {
  return "m " + std::to_string(c.m) + ", n " + std::to_string(c.n) + ", k " + std::to_string(c.k) +
         (c.store == kernels::Store::add ? ", add" : "") + (c.bias ? ", bias" : "") +
         (c.fill == Fill::noise ? ""
          : c.fill == Fill::low ? ", low"
                                : ", high");
}

const QCase kIntegerCases[] = {
    {1, 1, 1},
    {1, 16, 33},
    {1, 100, 588},
    {1, 33, 4304},
    {2, 15, 128},
    {3, 17, 129},
    {4, 40, 257},
    {5, 15, 588},
    {6, 17, 1024},
    {7, 100, 33},
    {11, 20, 1025},
    {12, 300, 588},
    {12, 17, 4304},
    {13, 47, 1},
    {16, 33, 1152},
    {17, 40, 600},
    {31, 129, 256},
    {61, 100, 33},
    {133, 40, 300},
    {265, 31, 1100},
    {47, 300, 700},
    {365, 33, 600},
    {4, 40, 40, kernels::Store::add},
    {29, 33, 300, kernels::Store::add},
    {140, 17, 140, kernels::Store::add},
    {3, 20, 40, kernels::Store::overwrite, false},
    {40, 20, 270, kernels::Store::add, false},
    {5, 18, 300, kernels::Store::overwrite, true, Fill::low},
    {13, 18, 300, kernels::Store::overwrite, true, Fill::high},
    {1, 18, 300, kernels::Store::overwrite, true, Fill::low},
    {1, 18, 300, kernels::Store::overwrite, true, Fill::high},
};

float scale_of(const Q8Block& b, i64 column) {
  return b.scale[column];
}
template <int G>
float scale_of(const Q4Block<G>& b, i64 column) {
  return to_float(f16{b.scale[column]});
}

int weight_of(const Q8Block& b, i64 k, i64 column) {
  return b.q[k / 4][column][k % 4] - 128;
}
template <int G>
int weight_of(const Q4Block<G>& b, i64 k, i64 column) {
  const int both = b.q[k / 8][column][k % 4];
  return (k % 8 < 4 ? both % 16 : both / 16) - b.zero[column];
}

void fill_block(Q8Block& b, Noise& noise, Fill fill) {
  for (float& s : b.scale) s = 0.01f * noise();
  for (auto& line : b.q)
    for (auto& column : line)
      for (std::uint8_t& q : column)
        q = std::uint8_t(fill == Fill::low ? 1 : fill == Fill::high ? 255 : 1 + noise.bits() % 255);
}

template <int G>
void fill_block(Q4Block<G>& b, Noise& noise, Fill fill) {
  for (std::uint16_t& s : b.scale) s = to_f16(0.1f * noise()).bits;
  for (std::uint8_t& z : b.zero)
    z = std::uint8_t(fill == Fill::low ? 16 : fill == Fill::high ? 0 : noise.bits() % 17);
  for (auto& line : b.q)
    for (auto& column : line)
      for (std::uint8_t& q : column)
        q = std::uint8_t(fill == Fill::low ? 0 : fill == Fill::high ? 255 : noise.bits() % 256);
}

/// Random panels, activations, bias and old C of a case.
template <class Block>
struct Problem {
  explicit Problem(const QCase& asked) : c(asked), groups((c.k + Block::kGroup - 1) / Block::kGroup) {
    Noise noise(unsigned(c.m * 1000003 + c.n * 1009 + c.k));
    panels = Storage(std::size_t((c.n + 15) / 16 * groups) * sizeof(Block));
    for (i64 i = 0; i < (c.n + 15) / 16 * groups; ++i)
      fill_block(panels.template as<Block>()[i], noise, c.fill);
    a.resize(std::size_t(c.m * c.k));
    bias.resize(std::size_t(c.n));
    old.resize(std::size_t(c.m * c.n));
    for (auto* v : {&a, &bias, &old})
      for (float& x : *v) x = noise();
    if (c.fill != Fill::noise) std::fill(a.begin(), a.end(), c.m % 2 ? 1.5f : -1.5f);
    quantize();
  }

  void quantize() {
    q.assign(std::size_t(c.m * groups * Block::kGroup), 0);
    scale.assign(std::size_t(c.m * groups), 0);
    sum.assign(std::size_t(c.m * groups), 0);
    for (i64 m = 0; m < c.m; ++m) {
      kernels::QuantizeRow row;
      row.x = a.data() + m * c.k;
      row.k = c.k;
      row.group = Block::kGroup;
      row.q = q.data() + m * groups * Block::kGroup;
      row.scale = scale.data() + m * groups;
      row.sum = sum.data() + m * groups;
      kernels::select_isa("scalar").quantize(row);
    }
  }

  const Block& block(i64 n, i64 k) const {
    return panels.template as<const Block>()[n / 16 * groups + k / Block::kGroup];
  }

  QCase c;
  i64 groups;
  Storage panels;
  std::vector<float> a, bias, old, scale, sum;
  std::vector<std::int8_t> q;
};

/// Lays C out with an odd stride between guards, lets `call` fill rows [m0, m0 + m) and returns them.
template <class Block, class Call>
std::vector<float> with_output(const Problem<Block>& p, i64 m0, i64 m, Call call) {
  const i64 n = p.c.n, ldc = n + 5;
  Guarded<float> out(m * ldc, 3);
  for (i64 i = 0; i < m; ++i)
    for (i64 j = 0; j < n; ++j) out[i * ldc + j] = p.old[std::size_t((m0 + i) * n + j)];
  Storage scratch(kernels::kGemmScratch * sizeof(float));
  call(out.data(), ldc, scratch.as<float>());
  CHECK(out.intact());
  Guarded<float> untouched(1);
  std::vector<float> result;
  for (i64 i = 0; i < m; ++i) {
    for (i64 j = 0; j < n; ++j) result.push_back(out[i * ldc + j]);
    for (i64 j = n; j < ldc; ++j) CHECK(std::memcmp(&out[i * ldc + j], untouched.data() - 1, 4) == 0);
  }
  return result;
}

template <class Block>
std::vector<float> run(kernels::QGemmKernel* kernel, const Problem<Block>& p, i64 m0, i64 m) {
  // Rows apart by more than they hold, ending where the buffer ends: a sanitizer sees a read beyond.
  const i64 width = p.groups * Block::kGroup, stride = m == 1 ? width : width + 32;
  std::vector<std::int8_t> q(std::size_t((m - 1) * stride + width), 99);
  for (i64 i = 0; i < m; ++i)
    std::memcpy(q.data() + i * stride, p.q.data() + (m0 + i) * width, std::size_t(width));
  return with_output(p, m0, m, [&](float* c, i64 ldc, float* scratch) {
    kernels::QGemm g;
    g.a = {q.data(), p.scale.data() + m0 * p.groups, p.sum.data() + m0 * p.groups, stride, p.groups};
    g.panels = p.panels.data();
    g.bias = p.c.bias ? p.bias.data() : nullptr;
    g.c = c;
    g.ldc = ldc;
    g.m = m;
    g.n = p.c.n;
    g.store = p.c.store;
    g.scratch = scratch;
    kernel(g);
  });
}

template <class Block>
std::vector<float> run(kernels::GemmKernel* kernel, const Problem<Block>& p, const void* panels, i64 m0,
                       i64 m) {
  return with_output(p, m0, m, [&](float* c, i64 ldc, float* scratch) {
    kernels::Gemm g;
    g.a = p.a.data() + m0 * p.c.k;
    g.lda = p.c.k;
    g.panels = panels;
    g.bias = p.c.bias ? p.bias.data() : nullptr;
    g.c = c;
    g.ldc = ldc;
    g.m = m;
    g.n = p.c.n;
    g.k = p.c.k;
    g.store = p.c.store;
    g.scratch = scratch;
    kernel(g);
  });
}

bool same_bits(const float* a, const float* b, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    if (std::memcmp(a + i, b + i, sizeof(float)) != 0 && !(std::isnan(a[i]) && std::isnan(b[i])))
      return false;
  return true;
}

/// What kernels.hpp promises, spelled out once more.
template <class Block>
float expected(const Problem<Block>& p, i64 m, i64 n) {
  float sum = 0;
  for (i64 group = 0; group < p.groups; ++group) {
    const Block& b = p.block(n, group * Block::kGroup);
    i64 dot = 0;
    for (i64 k = 0; k < Block::kGroup; ++k)
      dot += p.q[std::size_t((m * p.groups + group) * Block::kGroup + k)] * weight_of(b, k, n % 16);
    const float scale = p.scale[std::size_t(m * p.groups + group)] * scale_of(b, n % 16);
    sum = std::fma(scale, float(dot), sum);
  }
  sum += p.c.bias ? p.bias[std::size_t(n)] : 0.0f;
  return p.c.store == kernels::Store::add ? sum + p.old[std::size_t(m * p.c.n + n)] : sum;
}

template <class Block>
void check_integer(const QCase& c, PanelFormat format) {
  CAPTURE(to_string(c));
  const Problem<Block> p(c);
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    kernels::QGemmKernel* kernel = kernels::select_isa(isa->name).qgemm[format];
    const auto got = run(kernel, p, 0, c.m);
    for (i64 m = 0; m < c.m; ++m)
      for (i64 n = 0; n < c.n; ++n) {
        const float want = expected(p, m, n);
        REQUIRE(same_bits(&got[std::size_t(m * c.n + n)], &want, 1));
      }
    for (i64 m = 0; m < c.m; m += 1 + c.m / 7) {
      const auto alone = run(kernel, p, m, 1);
      REQUIRE(same_bits(alone.data(), got.data() + m * c.n, alone.size()));
      const auto rest = run(kernel, p, m, c.m - m);
      REQUIRE(same_bits(rest.data(), got.data() + m * c.n, rest.size()));
    }
  }
}

/// Products with f32 activations are gemm_f32's, bit by bit, on the weights written out as floats.
template <class Block>
void check_dequantized(const QCase& c, PanelFormat format) {
  CAPTURE(to_string(c));
  const Problem<Block> p(c);
  std::vector<float> panels(std::size_t((c.n + 15) / 16 * 16 * c.k));
  for (i64 n = 0; n < (c.n + 15) / 16 * 16; ++n)
    for (i64 k = 0; k < c.k; ++k) {
      const Block& b = p.block(n, k);
      panels[std::size_t((n / 16 * c.k + k) * 16 + n % 16)] =
          scale_of(b, n % 16) * float(weight_of(b, k % Block::kGroup, n % 16));
    }
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    const Table table = kernels::select_isa(isa->name);
    const auto want = run(table.gemm[PanelFormat::f32], p, panels.data(), 0, c.m);
    const auto got = run(table.gemm[format], p, p.panels.data(), 0, c.m);
    REQUIRE(same_bits(got.data(), want.data(), want.size()));
    const auto alone = run(table.gemm[format], p, p.panels.data(), c.m / 2, 1);
    REQUIRE(same_bits(alone.data(), want.data() + c.m / 2 * c.n, alone.size()));
  }
}

/// Half scales of every kind: subnormal, largest, infinite.
template <class Block>
void check_scales(PanelFormat format) {
  Problem<Block> p(QCase{3, 16, Block::kGroup});
  const std::uint16_t kinds[] = {0x0001, 0x83ff, 0x0400, 0x7bff, 0xfbff, 0x8000, 0x7c00, 0xfc00};
  for (int c = 0; c < 16; ++c) p.panels.template as<Block>()->scale[c] = kinds[c % 8];
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    const Table table = kernels::select_isa(isa->name);
    const auto got = run(table.qgemm[format], p, 0, 3);
    const auto f32 = run(table.gemm[format], p, p.panels.data(), 0, 3);
    for (i64 m = 0; m < 3; ++m)
      for (i64 n = 0; n < 16; ++n) {
        const std::size_t at = std::size_t(m * 16 + n);
        const float want = expected(p, m, n);
        CHECK(same_bits(&got[at], &want, 1));
        CHECK(std::isfinite(f32[at]) == (n % 8 < 6));
      }
  }
}

}  // namespace

TEST_CASE("qgemm q8: every ISA gives the contract's bits, row by row") {
  for (const QCase& c : kIntegerCases) check_integer<Q8Block>(c, PanelFormat::q8);
}

TEST_CASE("qgemm q4_g128: every ISA gives the contract's bits, row by row") {
  for (const QCase& c : kIntegerCases) check_integer<Q4Block<128>>(c, PanelFormat::q4_g128);
}

TEST_CASE("qgemm q4_g32: every ISA gives the contract's bits, row by row") {
  for (const QCase& c : kIntegerCases) check_integer<Q4Block<32>>(c, PanelFormat::q4_g32);
}

TEST_CASE("gemm q8, q4: the bits of gemm_f32 on dequantised weights") {
  for (const QCase& c : kIntegerCases) {
    check_dequantized<Q8Block>(c, PanelFormat::q8);
    check_dequantized<Q4Block<128>>(c, PanelFormat::q4_g128);
    check_dequantized<Q4Block<32>>(c, PanelFormat::q4_g32);
  }
}

TEST_CASE("gemm q4, qgemm q4: half scales of every kind are widened exactly") {
  check_scales<Q4Block<128>>(PanelFormat::q4_g128);
  check_scales<Q4Block<32>>(PanelFormat::q4_g32);
}

TEST_CASE("qgemm: a row with NaN or infinity becomes NaN, its neighbours do not") {
  const auto check = [](auto block, PanelFormat format) {
    using Block = decltype(block);
    Problem<Block> p(QCase{7, 20, 300});
    p.a[300 + 17] = NAN;
    p.a[4 * 300 + 299] = -INFINITY;
    p.quantize();
    for (const kernels::Isa* isa : runnable_isas()) {
      CAPTURE(isa->name);
      const auto got = run(kernels::select_isa(isa->name).qgemm[format], p, 0, 7);
      for (std::size_t m = 0; m < 7; ++m)
        for (std::size_t n = 0; n < 20; ++n) CHECK(std::isnan(got[m * 20 + n]) == (m == 1 || m == 4));
    }
  };
  check(Q8Block{}, PanelFormat::q8);
  check(Q4Block<128>{}, PanelFormat::q4_g128);
  check(Q4Block<32>{}, PanelFormat::q4_g32);
}

}  // namespace la::test
