#include <array>
#include <deque>

#include "../../kernels/dispatch.hpp"
#include "../../la/ops/forwarding_ops.hpp"
#include "../../la/ops/ops_check.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../../la/ops/ops_reference.hpp"
#include "all_ops.hpp"

// What a layer is made of, done at once: the bits of the ops one after the other.
namespace la::test {
namespace {

struct Sizes {
  i64 rows, channels, wide;
};

/// Few rows and many; whole panels and groups, and neither; enough blocks for several workers (WideBlocks).
constexpr Sizes kLayerSizes[] = {{1, 64, 128},   {7, 48, 80},   {5, 40, 100},  {130, 64, 160},
                                 {300, 48, 272}, {70, 40, 100}, {530, 16, 400}};

class Layer {
 public:
  Layer(Ops& ops, const Sizes& s, WeightFormat format, unsigned seed) : ops_(ops), sizes_(s), noise_(seed) {
    in_ = weight(s.wide, s.channels, format);
    gated_ = weight(2 * s.wide, s.channels, format);
    out_ = weight(s.channels, s.wide, format);
    square_ = weight(s.channels, s.channels, format);
    norm_ = noise_.values(s.channels);
    bias_ = noise_.values(s.channels);
  }

  /// All results, one after the other.
  std::vector<float> run() {
    // No structured bindings: clang 14 does not let lambdas capture them.
    const i64 rows = sizes_.rows, channels = sizes_.channels, wide = sizes_.wide;
    std::vector<float> results;
    const auto keep = [&](const std::vector<float>& values) {
      results.insert(results.end(), values.begin(), values.end());
    };
    for (const Activation activation : {Activation::swiglu, Activation::gelu_tanh, Activation::gelu_erf}) {
      const bool gated = activation == Activation::swiglu;
      const Norm norm{
          {norm_.data(), {channels}}, gated ? ConstVector() : ConstVector(bias_.data(), {channels}), 1e-5f};
      std::vector<float> x = noise_.values(rows * channels), h(x.size()), y = x, z = x, to(x.size()),
                         a = noise_.values(rows * channels);
      std::vector<float> inner(std::size_t(rows * wide * (gated ? 2 : 1))), outer(std::size_t(rows * wide));
      const auto of = [&](std::vector<float>& v, i64 n) { return view(v, rows, n); };
      const Matrix in = of(inner, gated ? 2 * wide : wide);
      const FeedForward f{norm, gated ? *gated_ : *in_, activation, *out_};
      ops_.feed_forward(of(x, channels), f, of(h, channels), in, gated ? of(outer, wide) : in,
                        of(y, channels), Store::add);
      keep(y);
      ops_.feed_forward(of(x, channels), f, of(h, channels), in, of(outer, wide), of(y, channels),
                        Store::overwrite);
      keep(y);
      ops_.mix(of(a, channels), *square_, f, of(h, channels), in, of(outer, wide), of(z, channels));
      keep(z);
      ops_.project(
          of(x, channels), norm, of(h, channels),
          std::array{Projection{gated ? *gated_ : *in_, in}, Projection{*square_, of(to, channels)}});
      keep(inner);
      keep(to);
    }
    return results;
  }

 private:
  std::unique_ptr<Weight> weight(i64 outputs, i64 inputs, WeightFormat format) {
    generator = Noise(unsigned(outputs * 131 + inputs));
    const Stored &stored = stored_.emplace_back(std::vector{outputs, inputs}, DType::bf16, no_file_),
                 &bias = stored_.emplace_back(std::vector{outputs}, DType::f32, no_file_);
    const WeightPart part{&stored.tensor, &bias.tensor};
    return ops_.make_weight(std::span(&part, 1), format);
  }

  Ops& ops_;
  Sizes sizes_;
  Noise noise_;
  const MappedFile no_file_;
  std::deque<Stored> stored_;
  std::unique_ptr<Weight> in_, gated_, out_, square_;
  std::vector<float> norm_, bias_;
};

/// Queries of all tokens, after each sees all keys.
std::vector<float> run_self_attention(Ops& ops, i64 rows, i64 heads, i64 size) {
  Noise noise(unsigned(rows * 7 + heads));
  std::vector<float> q = noise.values(rows * heads * size), kv = noise.values(rows * 2 * heads * size),
                     cos = noise.values(rows * size / 2), sin = noise.values(rows * size / 2);
  const Matrix both(kv.data(), {rows, 2 * heads * size});
  const auto cache = ops.make_kv_cache({1, heads, size});
  cache->extend(rows);
  ops.self_attention(*cache, 0, Cube(q.data(), {rows, heads, size}),
                     both.columns(0, heads * size).split_heads(heads),
                     both.columns(heads * size, heads * size).split_heads(heads), view(cos, rows, size / 2),
                     view(sin, rows, size / 2), Rope::interleaved, 0.2f);
  return q;
}

template <class Body>
void on_every_isa(const Body& body) {
  for (const kernels::Isa& isa : kernels::built_in_isas()) {
    if (!isa.supported()) continue;
    CAPTURE(isa.name);
    body(isa.name);
  }
}

}  // namespace

TEST_CASE("layers: done at once, they have the bits of their ops") {
  on_every_isa([](std::string_view isa) {
    for (const Sizes& sizes : kLayerSizes)
      for (const WeightFormat format :
           {WeightFormat::f32, WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4}) {
        CAPTURE(sizes.rows);
        CAPTURE(sizes.wide);
        CAPTURE(name_of(format));
        ForwardingOps one_by_one(make_cpu_ops({1, isa}));
        const std::vector<float> want = Layer(one_by_one, sizes, format, 1).run();
        for (const int threads : {1, 2, 3, 5, 8, 16, 61}) {
          CAPTURE(threads);
          const auto ops = make_cpu_ops({.threads = threads, .isa = isa, .region_work = 0});
          CHECK(Layer(*ops, sizes, format, 1).run() == want);
        }
      }
    for (const i64 rows : {1, 47, 64, 200}) {
      CAPTURE(rows);
      ForwardingOps one_by_one(make_cpu_ops({1, isa}));
      const std::vector<float> want = run_self_attention(one_by_one, rows, 4, 24);
      for (const int threads : {1, 2, 3, 5, 8, 16, 61}) {
        CAPTURE(threads);
        CHECK(run_self_attention(*make_cpu_ops({.threads = threads, .isa = isa, .region_work = 0}), rows, 4,
                                 24) == want);
      }
    }
  });
}

TEST_CASE("layers: the reference gives the same, and the check wrapper sees it") {
  const auto checked =
      make_check_ops(make_cpu_ops({.threads = 3, .region_work = 0}), make_reference_ops(), 1e-5);
  // Weights below a page: whole ones are given back when the first of the two has packed them.
  for (const Sizes& sizes : {Sizes{1, 16, 32}, Sizes{7, 16, 24}, Sizes{130, 16, 48}, Sizes{300, 16, 20}})
    for (const WeightFormat format : {WeightFormat::f32, WeightFormat::bf16})
      CHECK_NOTHROW(Layer(*checked, sizes, format, 2).run());
  CHECK_NOTHROW(run_self_attention(*checked, 70, 4, 24));
}

}  // namespace la::test
