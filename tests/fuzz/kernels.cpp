// Every instruction set that this machine runs against the scalar kernels: random shapes, strides and values.
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "fuzz.hpp"
#include "kernels/dispatch.hpp"
#include "la/core/scalar.hpp"
#include "la/core/storage.hpp"
#include "tests/noise.hpp"

namespace {

using namespace la;
using kernels::i64;
using kernels::PanelFormat;
using kernels::Table;

/// Floats in a block of exactly that size, so that one too many is found.
using Floats = std::unique_ptr<float[]>;

class Problem {
 public:
  Problem(const std::uint8_t* data, std::size_t size) : input_(data, size) {
    std::uint32_t hash = 2166136261u;
    for (std::size_t i = 0; i < size; ++i) hash = (hash ^ data[i]) * 16777619u;
    noise_ = test::Noise(hash);
  }
  i64 size(std::size_t bound) { return 1 + i64(input_.below(bound)); }
  bool flag() { return input_.byte() & 1; }
  std::uint32_t bits() { return noise_.bits(); }
  float value(float scale = 1) { return scale * noise_(); }
  Floats floats(i64 n, float scale = 1) {
    Floats values(new float[std::size_t(n)]);
    for (i64 i = 0; i < n; ++i) values[std::size_t(i)] = value(scale);
    return values;
  }
  std::uint8_t choice() { return input_.byte(); }

 private:
  fuzz::Input input_;
  test::Noise noise_;
};

Floats copy(const Floats& from, i64 n) {
  Floats to(new float[std::size_t(n)]);
  std::memcpy(to.get(), from.get(), std::size_t(n) * sizeof(float));
  return to;
}

/// |a - b| is at most `tolerance` times the largest |b|, or `magnitude` where that is more.
void require_close(const float* got, const float* want, i64 n, double tolerance, double magnitude,
                   const char* kernel, const char* isa) {
  for (i64 i = 0; i < n; ++i)
    if (!std::isnan(want[i])) magnitude = std::max(magnitude, std::abs(double(want[i])));
  for (i64 i = 0; i < n; ++i) {
    const bool both = std::isnan(got[i]) && std::isnan(want[i]);
    if (both || std::abs(double(got[i]) - double(want[i])) <= tolerance * magnitude + 1e-30) continue;
    std::fprintf(stderr, "%s: element %lld of %lld: %s has %.9g, scalar %.9g\n", kernel,
                 static_cast<long long>(i), static_cast<long long>(n), isa, double(got[i]), double(want[i]));
    fuzz::require_that(false, kernel);
  }
}

/// The tables to compare, scalar's first.
const std::vector<Table>& tables() {
  static const std::vector<Table> all = [] {
    std::vector<Table> found{kernels::select_isa("scalar")};
    for (const kernels::Isa& isa : kernels::built_in_isas())
      if (isa.supported() && isa.name != "scalar") found.push_back(kernels::select_isa(isa.name));
    return found;
  }();
  return all;
}

/// call(table, out) for every table; each must come close to scalar's.
template <class Call>
void compare(Problem& p, const char* kernel, i64 n, double tolerance, const Call& call,
             double magnitude = 0) {
  const Floats start = p.floats(n);
  const Floats want = copy(start, n);
  call(tables()[0], want.get());
  for (std::size_t t = 1; t < tables().size(); ++t) {
    const Floats got = copy(start, n);
    call(tables()[t], got.get());
    require_close(got.get(), want.get(), n, tolerance, magnitude, kernel, tables()[t].isa);
  }
}

void gemm(Problem& p) {
  const i64 m = p.size(40), n = p.size(80), k = p.size(300), lda = k + p.size(4) - 1, ldc = n + p.size(4) - 1;
  const bool half = p.flag(), biased = p.flag(), adds = p.flag();
  const i64 slots = (n + 15) / 16 * 16 * k;
  const Floats a = p.floats(m * lda), w = p.floats(slots), bias = p.floats(n);
  std::vector<std::uint16_t> bf16(std::size_t(half ? slots : 0));
  for (std::size_t i = 0; i < bf16.size(); ++i) bf16[i] = to_bf16(w[i]).bits;
  const Storage scratch(kernels::kGemmScratch * sizeof(float));
  // A sum of K products of unit normals is about the root of K; where it cancels, its errors do not.
  compare(
      p, half ? "gemm_bf16" : "gemm_f32", (m - 1) * ldc + n, 3e-6,
      [&](const Table& t, float* c) {
        kernels::Gemm g;
        g.a = a.get(), g.lda = lda, g.bias = biased ? bias.get() : nullptr, g.c = c, g.ldc = ldc;
        g.panels = half ? static_cast<const void*>(bf16.data()) : w.get();
        g.m = m, g.n = n, g.k = k, g.scratch = scratch.as<float>();
        g.store = adds ? kernels::Store::add : kernels::Store::overwrite;
        t.gemm[half ? PanelFormat::bf16 : PanelFormat::f32](g);
      },
      std::sqrt(double(k)));
}

template <class Block>
void fill(Block& block, Problem& p) {
  std::uint8_t* bytes = &block.q[0][0][0];
  for (std::size_t i = 0; i < sizeof block.q; ++i) bytes[i] = std::uint8_t(p.bits());
  if constexpr (Block::kBits == 8) {
    for (float& s : block.scale) s = p.value(0.01f);
    for (std::size_t i = 0; i < sizeof block.q; ++i) bytes[i] = std::max<std::uint8_t>(bytes[i], 1);
  } else {
    for (std::uint16_t& s : block.scale) s = to_f16(p.value(0.1f)).bits;
    for (std::uint8_t& z : block.zero) z = std::uint8_t(p.bits() % 17);
  }
}

/// Integer products must be the same bits; dequantised ones close.
template <class Block>
void quantized(Problem& p, PanelFormat format) {
  const i64 m = p.size(24), n = p.size(60), k = p.size(400), groups = (k + Block::kGroup - 1) / Block::kGroup;
  const bool biased = p.flag(), adds = p.flag();
  const Storage panels(std::size_t((n + 15) / 16 * groups) * sizeof(Block));
  for (i64 i = 0; i < (n + 15) / 16 * groups; ++i) fill(panels.as<Block>()[i], p);
  const Floats a = p.floats(m * k), bias = p.floats(n);
  const Storage scratch(kernels::kGemmScratch * sizeof(float));
  compare(
      p, "gemm of integers", m * n, 3e-6,
      [&](const Table& t, float* c) {
        kernels::Gemm g;
        g.a = a.get(), g.lda = k, g.bias = biased ? bias.get() : nullptr, g.c = c, g.ldc = n;
        g.panels = panels.data(), g.m = m, g.n = n, g.k = k, g.scratch = scratch.as<float>();
        g.store = adds ? kernels::Store::add : kernels::Store::overwrite;
        t.gemm[format](g);
      },
      std::sqrt(double(k)));
  const i64 stride = groups * Block::kGroup;
  compare(p, "integer product", m * n, 0, [&](const Table& t, float* c) {
    const Storage q(std::size_t(m * stride));
    const Floats scale(new float[std::size_t(m * groups)]), sum(new float[std::size_t(m * groups)]);
    for (i64 row = 0; row < m; ++row) {
      kernels::QuantizeRow r;
      r.x = a.get() + row * k, r.k = k, r.group = Block::kGroup;
      r.q = q.as<std::int8_t>() + row * stride, r.scale = scale.get() + row * groups,
      r.sum = sum.get() + row * groups;
      t.quantize(r);
    }
    kernels::QGemm g;
    g.a = {q.as<std::int8_t>(), scale.get(), sum.get(), stride, groups};
    g.panels = panels.data(), g.bias = biased ? bias.get() : nullptr, g.c = c, g.ldc = n, g.m = m, g.n = n;
    g.store = adds ? kernels::Store::add : kernels::Store::overwrite;
    g.scratch = scratch.as<float>();
    t.qgemm[format](g);
  });
}

void attention(Problem& p) {
  const i64 d = 2 * p.size(64), keys = p.size(200), rows = p.size(kernels::kAttentionRows);
  const i64 padded = (d + 15) / 16 * 16, pages = (keys + kernels::kPageKeys - 1) / kernels::kPageKeys;
  std::vector<Floats> storage;
  std::vector<const float*> page;
  for (i64 i = 0; i < pages; ++i) {
    storage.push_back(p.floats(kernels::kPageKeys * (d + padded)));
    page.push_back(storage.back().get());
  }
  std::vector<kernels::KeyMask> visible;
  for (i64 r = 0; r < rows; ++r) {
    const auto prefix = std::int32_t(p.bits() % std::uint32_t(keys + 1));
    const auto begin = std::int32_t(prefix + std::int32_t(p.bits() % std::uint32_t(keys - prefix + 1)));
    visible.push_back({prefix, begin, begin + std::int32_t(p.bits() % std::uint32_t(keys - begin + 1))});
  }
  const Floats queries = p.floats(rows * d, 2);
  const Storage scratch(std::size_t(kernels::attention_scratch(d)) * sizeof(float));
  compare(
      p, "attention", rows * d, 1e-5,
      [&](const Table& t, float* out) {
        std::vector<const float*> q;
        std::vector<float*> to;
        for (i64 r = 0; r < rows; ++r) q.push_back(queries.get() + r * d), to.push_back(out + r * d);
        kernels::Attention a;
        a.q = q.data(), a.out = to.data(), a.visible = visible.data(), a.rows = rows, a.d = d;
        a.pages = page.data(), a.v_offset = kernels::kPageKeys * d, a.scale = 1 / std::sqrt(float(d));
        a.scratch = scratch.as<float>();
        t.attention(a);
      },
      1);
}

void elementwise(Problem& p) {
  const std::uint8_t which = p.choice() % 7;
  const i64 n = p.size(2000), even = 2 * ((n + 1) / 2);
  const Floats a = p.floats(even, 3), b = p.floats(even, 3), c = p.floats(even, 3);
  const float *x = a.get(), *y = b.get(), *z = c.get();
  switch (which) {
    case 0:
      return compare(
          p, "layer_norm", n, 1e-5, [&](const Table& t, float* o) { t.layer_norm(x, y, z, 1e-5f, n, o); }, 3);
    case 1:
      return compare(
          p, "rms_norm", n, 1e-5, [&](const Table& t, float* o) { t.rms_norm(x, y, 1e-6f, n, o); }, 1);
    // Near x = -3, 1 + erf and 1 + tanh cancel: errors are to be seen beside x.
    case 2:
      return compare(
          p, "gelu_tanh", n, 2e-6, [&](const Table& t, float* o) { t.gelu_tanh(x, n, o); }, 1);
    case 3:
      return compare(
          p, "gelu_erf", n, 2e-6, [&](const Table& t, float* o) { t.gelu_erf(x, n, o); }, 1);
    case 4:
      return compare(
          p, "swiglu", n, 2e-6, [&](const Table& t, float* o) { t.swiglu(x, y, n, o); }, 1);
    case 5:
      return compare(p, "softmax", n, 3e-6, [&](const Table& t, float* o) { t.softmax(o, n); });
    default:
      return compare(
          p, "rope", even, 2e-6,
          [&](const Table& t, float* o) {
            t.rope_halves(o, x, y, even);
            t.rope_interleaved(o, y, x, even);
          },
          9);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using kernels::Q4Block;
  Problem p(data, size);
  switch (p.choice() % 6) {
    case 0:
      gemm(p);
      break;
    case 1:
      quantized<kernels::Q8Block>(p, PanelFormat::q8);
      break;
    case 2:
      quantized<Q4Block<128>>(p, PanelFormat::q4_g128);
      break;
    case 3:
      quantized<Q4Block<32>>(p, PanelFormat::q4_g32);
      break;
    case 4:
      attention(p);
      break;
    default:
      elementwise(p);
  }
  return 0;
}
