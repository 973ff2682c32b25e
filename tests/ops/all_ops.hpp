#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "../../la/core/scalar.hpp"
#include "../../la/ops/ops.hpp"
#include "../noise.hpp"
#include "../support.hpp"

// Every op of a backend, on small odd shapes: run beside another by make_check_ops.
namespace la::test {

inline Noise generator;

inline std::vector<float> noise(i64 n) {
  return generator.values(n);
}

/// A tensor as a checkpoint would hold it.
struct Stored {
  Stored(std::vector<i64> shape, DType type, const MappedFile& file) {
    i64 n = 1;
    for (i64 s : shape) n *= s;
    for (float x : noise(n)) {
      const std::uint16_t half = type == DType::bf16 ? to_bf16(x).bits : to_f16(x).bits;
      const auto* p = type == DType::f32 ? reinterpret_cast<const std::byte*>(&x)
                                         : reinterpret_cast<const std::byte*>(&half);
      bytes.insert(bytes.end(), p, p + size_of(type));
    }
    tensor = {"weight", type, std::move(shape), bytes, &file};
  }
  std::vector<std::byte> bytes;
  StoredTensor tensor;
};

inline Matrix view(std::vector<float>& values, i64 rows, i64 columns) {
  return {values.data(), {rows, columns}};
}

inline Image noise_image(i64 width, i64 height) {
  Image image(width, height);
  const std::vector<float> values = noise(i64(image.pixels.size()));
  // Extremes are frequent: the filter goes beyond them.
  for (std::size_t i = 0; i < values.size(); ++i)
    image.pixels[i] = std::uint8_t(std::clamp(128 + 200 * values[i], 0.0f, 255.0f));
  return image;
}

inline void run_all_ops(Ops& ops) {
  const MappedFile no_file;
  for (const DType type : {DType::f32, DType::bf16, DType::f16})
    for (const WeightFormat format :
         {WeightFormat::auto_, WeightFormat::f32, WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4})
      for (const i64 tokens : {1, 5, 37}) {
        const Stored a({19, 33}, type, no_file), b({30, 33}, type, no_file), bias({30}, DType::f32, no_file);
        const WeightPart parts[] = {{&a.tensor, nullptr}, {&b.tensor, &bias.tensor}};
        const auto weight = ops.make_weight(parts, format);
        CHECK(weight->outputs() == 49);
        CHECK(weight->inputs() == 33);
        auto x = noise(tokens * 40), y = noise(tokens * 60);
        const Matrix in = view(x, tokens, 40).columns(3, 33), out = view(y, tokens, 60).columns(7, 49);
        ops.linear(in, *weight, out, Store::overwrite);
        ops.linear(in, *weight, out, Store::add);
        auto rows = noise(4 * 33);
        ops.embedding(*weight, std::vector<std::int32_t>{0, 48, 17, 18}, view(rows, 4, 33));
      }

  for (const i64 tokens : {1, 3, 50}) {
    const i64 channels = 77;
    auto x = noise(tokens * channels), y = noise(tokens * channels), w = noise(channels), b = noise(channels);
    const Matrix mx = view(x, tokens, channels), my = view(y, tokens, channels);
    const ConstVector vw(w.data(), {channels}), vb(b.data(), {channels});
    ops.layer_norm(mx, vw, vb, 1e-5f, my);
    ops.layer_norm(mx, vw, vb, 1e-5f, mx);
    ops.rms_norm(mx, vw, 1e-6f, my);
    ops.gelu(mx, Gelu::tanh, my);
    ops.gelu(mx, Gelu::erf, mx);
    auto half = noise(tokens * 38);
    ops.swiglu(mx.columns(0, 76), view(half, tokens, 38));
    std::vector<std::int32_t> order(static_cast<std::size_t>(tokens));
    std::iota(order.rbegin(), order.rend(), 0);
    ops.gather(mx, order, my);
    for (i64 t = 0; t < tokens; ++t) my(t, 70) = my(t, 5);  // equals
    std::vector<float> summaries = noise(tokens * 13);
    ops.summarize(my, std::vector<std::int32_t>{0, 76, 40}, view(summaries, tokens, 13));
  }

  // A picture that is shrunk twice and then enlarged, in patches of several pieces.
  const Image image = noise_image(141, 93);
  ProcessorConfig config;
  config.in_token_limit = 30;
  const auto patches = ops.make_patches(image, {120, 79}, config, nullptr);
  const i64 count = patches->grid_h() * patches->grid_w(), values = 3 * config.patch_size * config.patch_size;
  CHECK(count == 8 * 6);
  auto pixels = noise(count * values);
  for (const i64 first : {i64{0}, count / 3})
    patches->read(first, view(pixels, count, values).rows(first, count / 2));

  auto grid = noise(5 * 7 * 6), resized = noise(9 * 4 * 6);
  ops.bicubic_grid(ConstCube(grid.data(), {5, 7, 6}), Cube(resized.data(), {9, 4, 6}));

  auto angles = noise(9 * 12), q = noise(9 * 6 * 24);
  for (const Rope layout : {Rope::interleaved, Rope::halves})
    ops.rope(Cube(q.data(), {9, 6, 24}), view(angles, 9, 12), view(angles, 9, 12), layout);
}

/// Two sequences in one call: a long one, causal, and a block window; grouped heads; queries in place.
inline void run_attention(Ops& ops) {
  const i64 heads = 6, kv_heads = 2, size = 24, long_rows = 150, short_rows = 11;
  const auto a = ops.make_kv_cache({3, kv_heads, size}), b = ops.make_kv_cache({3, kv_heads, size});
  a->extend(long_rows);
  b->extend(short_rows);
  auto k = noise(long_rows * kv_heads * size), v = noise(long_rows * kv_heads * size);
  const Cube mk(k.data(), {long_rows, kv_heads, size}), mv(v.data(), {long_rows, kv_heads, size});
  for (i64 layer = 0; layer < 3; ++layer) {
    ops.kv_write(*a, layer, 0, mk, mv);
    ops.kv_write(*b, layer, 0, mk.rows(20, short_rows), mv.rows(20, short_rows));
  }
  a->truncate(100);
  CHECK(a->length() == 100);
  a->extend(50);
  for (i64 layer = 0; layer < 3; ++layer) ops.kv_write(*a, layer, 100, mk.rows(0, 50), mv.rows(0, 50));

  std::vector<KeyMask> visible;
  for (int t = 0; t < long_rows; ++t) visible.push_back({t + 1, 0, 0});
  for (int t = 0; t < 5; ++t) visible.push_back({t + 1, 0, 0});
  for (int t = 0; t < 6; ++t) visible.push_back({4, 5, 11});
  auto q = noise((long_rows + short_rows) * heads * size);
  const Cube mq(q.data(), {long_rows + short_rows, heads, size});
  for (const i64 layer : {0, 2}) {
    const KvRows rows[] = {{a.get(), layer, 0, long_rows}, {b.get(), layer, long_rows, short_rows}};
    ops.attention(mq, rows, visible, 0.2f, mq);
  }
}

}  // namespace la::test
