// Each product in WebAssembly at a shape of the 3B, beside what this engine reaches with its instruction alone, measured in the
// same run: node build/web/kernels.mjs [ISA], or in Chromium, benchmarks/web_kernels.py. One thread.

#include <wasm_simd128.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "kernels/dispatch.hpp"

extern "C" double la_relaxed_probe(std::int64_t rounds);
extern "C" double la_relaxed_fused_probe(std::int64_t rounds);

namespace la::bench {
namespace {

using kernels::i64;
using kernels::PanelFormat;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The best of several runs: what else happens on the machine only takes time away.
template <class Work>
double best_rate(double operations, const Work& work) {
  double best = 0;
  for (const double end = now() + 0.3; now() < end;) {
    const double start = now();
    work();
    best = std::max(best, operations / (now() - start));
  }
  return best;
}

template <class Probe>
double peak(const Probe& probe) {
  constexpr std::int64_t kRounds = 100000;
  return best_rate(probe(1) * kRounds, [&] { probe(kRounds); });
}

/// Twelve chains, which hide the latency of a step. They begin apart and all count: an engine would merge equal ones and leave
/// out others. A step depends on the one before it in all its instructions, or some would be taken out of the loop.
template <class Step>
double run_chains(std::int64_t rounds, double operations, Step step) {
  const auto init = [](int i) { return wasm_f32x4_splat(1 + float(i)); };
  v128_t a = init(0), b = init(1), c = init(2), d = init(3), e = init(4), f = init(5), g = init(6),
         h = init(7), i = init(8), j = init(9), k = init(10), l = init(11);
  for (std::int64_t r = 0; r < rounds; ++r) {
    a = step(a), b = step(b), c = step(c), d = step(d), e = step(e), f = step(f);
    g = step(g), h = step(h), i = step(i), j = step(j), k = step(k), l = step(l);
  }
  v128_t all = a;
  for (const v128_t other : {b, c, d, e, f, g, h, i, j, k, l}) all = wasm_v128_xor(all, other);
  static volatile bool sink;
  sink = wasm_v128_any_true(all);
  return double(rounds) * 12 * operations;
}

double float_probe(std::int64_t rounds) {
  const v128_t u = wasm_f32x4_splat(0.5f), s = wasm_f32x4_splat(1);
  return run_chains(rounds, 2.0 * 4, [=](v128_t v) { return wasm_f32x4_add(wasm_f32x4_mul(v, u), s); });
}
double pair_probe(std::int64_t rounds) {
  const v128_t u = wasm_i16x8_splat(3), s = wasm_i32x4_splat(5);
  return run_chains(rounds, 2.0 * 8, [=](v128_t v) { return wasm_i32x4_add(wasm_i32x4_dot_i16x8(v, u), s); });
}

/// Sums of few bits would take the way of fused4() that is rare else.
unsigned char drawn() {
  static std::uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return static_cast<unsigned char>(state >> 24);
}

/// Weights that are finite in every format.
std::vector<std::byte> panels(PanelFormat format, i64 n, i64 k) {
  const auto blocks = [&](auto block) {
    std::vector<std::byte> bytes(std::size_t(n / 16 * (k / block.kGroup)) * sizeof block + 64);
    auto* values = reinterpret_cast<unsigned char*>(&block);
    for (std::size_t i = 0; i < sizeof block; ++i) values[i] = drawn();
    if constexpr (block.kBits == 8)
      for (float& scale : block.scale) scale = 0.001f + 1e-6f * float(drawn());
    else
      for (int c = 0; c < 16; ++c) block.scale[c] = 0x1c00 + drawn(), block.zero[c] = 8;
    for (std::size_t at = 0; at + sizeof block <= bytes.size(); at += sizeof block)
      std::memcpy(bytes.data() + at, &block, sizeof block);
    return bytes;
  };
  if (format == PanelFormat::q8) return blocks(kernels::Q8Block{});
  if (format == PanelFormat::q4_g128) return blocks(kernels::Q4Block<128>{});
  if (format == PanelFormat::q4_g32) return blocks(kernels::Q4Block<32>{});
  return std::vector<std::byte>(std::size_t(n * k) * (format == PanelFormat::f32 ? 4 : 2), std::byte{0x3d});
}

void print(const char* isa, const char* format, i64 m, double rate, double limit) {
  std::printf("%-12s %-8s %4lld rows %8.1f GOP/s %6.1f %%\n", isa, format, static_cast<long long>(m),
              rate / 1e9, 100 * rate / limit);
}

void measure(const kernels::Table& table, double float_peak, double int_peak) {
  constexpr i64 n = 2048, k = 2048;
  const struct {
    PanelFormat format;
    const char* name;
    i64 group;
  } formats[] = {{PanelFormat::f32, "f32", 0},
                 {PanelFormat::bf16, "bf16", 0},
                 {PanelFormat::q8, "q8", 128},
                 {PanelFormat::q4_g128, "q4_g128", 128},
                 {PanelFormat::q4_g32, "q4_g32", 32}};
  float* scratch = static_cast<float*>(std::aligned_alloc(64, kernels::kGemmScratch * sizeof(float)));
  for (const auto& one : formats) {
    const PanelFormat format = one.format;
    const char* const name = one.name;
    const i64 group = one.group;
    const std::vector<std::byte> weights = panels(format, n, k);
    auto* aligned =
        reinterpret_cast<const std::byte*>((reinterpret_cast<std::uintptr_t>(weights.data()) + 63) / 64 * 64);
    if (group == 0) aligned = weights.data();
    for (const i64 m : {1, 6, 12, 48, 350}) {
      std::vector<float> a(std::size_t(m * k), 0.5f), c(std::size_t(m * n));
      const double operations = 2.0 * double(m) * n * k;
      if (group == 0) {
        const kernels::Gemm call{.a = a.data(),
                                 .lda = k,
                                 .panels = aligned,
                                 .c = c.data(),
                                 .ldc = n,
                                 .m = m,
                                 .n = n,
                                 .k = k,
                                 .scratch = scratch};
        print(table.isa, name, m, best_rate(operations, [&] { table.gemm[format](call); }), float_peak);
        continue;
      }
      const i64 stride = kernels::quantized_stride(k), groups = k / group;
      std::vector<std::int8_t> q(std::size_t(m * stride));
      for (std::int8_t& x : q) x = std::int8_t(drawn() % 255 - 127);
      std::vector<float> scale(std::size_t(m * groups), 0.0123f), sum(std::size_t(m * groups), -77.0f);
      const kernels::QGemm call{.a = {q.data(), scale.data(), sum.data(), stride, groups},
                                .panels = aligned,
                                .c = c.data(),
                                .ldc = n,
                                .m = m,
                                .n = n,
                                .scratch = scratch};
      print(table.isa, name, m, best_rate(operations, [&] { table.qgemm[format](call); }), int_peak);
    }
  }
  std::free(scratch);
}

}  // namespace
}  // namespace la::bench

int main(int argc, char** argv) {
  using namespace la;
  for (const kernels::Isa& isa : kernels::built_in_isas()) {
    if (!isa.supported() || isa.name == "scalar" || (argc > 1 && isa.name != argv[1])) continue;
    const bool relaxed = isa.name == "wasmrelaxed";
    const double float_peak = bench::peak(relaxed ? la_relaxed_fused_probe : bench::float_probe);
    const double int_peak = bench::peak(relaxed ? la_relaxed_probe : bench::pair_probe);
    std::printf("%s: %.1f GFLOP/s f32 (%s), %.1f GOP/s (%s)\n", std::string(isa.name).c_str(),
                float_peak / 1e9, relaxed ? "relaxed_madd" : "mul, add", int_peak / 1e9,
                relaxed ? "relaxed_dot_i8x16_i7x16_add" : "dot_i16x8, add");
    bench::measure(kernels::select_isa(isa.name), float_peak, int_peak);
  }
}
