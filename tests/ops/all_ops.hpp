#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <span>
#include <vector>

#include "../../la/core/scalar.hpp"
#include "../../la/ops/ops.hpp"
#include "../noise.hpp"
#include "../support.hpp"
#include "block_cases.hpp"

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

/// A tensor's bytes in a file: packing gives their pages back, and two backends pack them.
class InFile {
 public:
  explicit InFile(Stored& stored) : size_(stored.bytes.size()) {
    std::FILE* file = std::tmpfile();
    std::fwrite(stored.bytes.data(), 1, size_, file);
    std::fflush(file);
    at_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, ::fileno(file), 0);
    std::fclose(file);
    stored.tensor.bytes = std::span(static_cast<const std::byte*>(at_), size_);
  }
  InFile(const InFile&) = delete;
  InFile& operator=(const InFile&) = delete;
  ~InFile() { ::munmap(at_, size_); }

 private:
  std::size_t size_;
  void* at_;
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
        std::vector<float> summaries{48, 0.5f, 17, 0.5f, -1, 0};  // the last one names none
        ops.embed_best(*weight, view(summaries, 3, 2), std::vector<std::int32_t>{1, 0, 2, 1},
                       view(rows, 4, 33));
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
    ops.gather(mx, List<std::int32_t>::in_backend(order), my);
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

  std::vector<float> summaries = block_cases(40, generator.bits());
  std::vector<PendingBlock> blocks;
  for (std::int32_t b = 0; b < 40; ++b) blocks.push_back({6 * (39 - b), 50 + 7 * b});
  HostFeed feed(40);
  ops.follow_blocks(view(summaries, 6 * 40, kCaseFloats), blocks, block_tokens(), feed.view());

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
    ops.attention(mq, rows, List<KeyMask>::in_backend(visible), 0.2f, mq);
  }
}

/// What a decoder's layer is made of, on rows of two sequences that have tokens before; then what attention makes of the keys
/// and values. `Precision::high`: errors of keys and values are below those of attention.
inline void run_decoder_layer(Ops& ops, i64 rows, WeightFormat format) {
  const MappedFile no_file;
  const i64 channels = 300, heads = 3, kv_heads = 2, size = 16, wide = 24, kept = 70;
  const auto weight = [&](i64 outputs, i64 inputs) {
    Stored stored({outputs, inputs}, DType::bf16, no_file);
    const Stored bias({outputs}, DType::f32, no_file);
    const InFile in_file(stored);
    WeightPart part{&stored.tensor, &bias.tensor};
    part.precision = Precision::high;
    return ops.make_weight(std::span(&part, 1), format);
  };
  const auto qkv = weight((heads * kv_heads + 2 * kv_heads) * size, channels),
             in = weight(2 * wide, channels), out = weight(channels, wide);

  const i64 first_rows = (rows + 1) / 2, query_heads = heads * kv_heads;
  const KvShape shape{2, kv_heads, size, Precision::high};
  const auto a = ops.make_kv_cache(shape), b = ops.make_kv_cache(shape);
  auto before = noise(kept * kv_heads * size);
  const Cube old(before.data(), {kept, kv_heads, size});
  a->extend(kept + first_rows);
  b->extend(3 + rows - first_rows);
  ops.kv_write(*a, 1, 0, old, old);
  ops.kv_write(*b, 1, 0, old.rows(0, 3), old.rows(0, 3));
  std::vector<KvTokens> tokens{{a.get(), kept, 0, first_rows}};
  std::vector<KvRows> seen{{a.get(), 1, 0, first_rows}};
  if (rows > first_rows) tokens.push_back({b.get(), 3, first_rows, rows - first_rows});
  if (rows > first_rows) seen.push_back({b.get(), 1, first_rows, rows - first_rows});
  std::vector<KeyMask> visible;
  for (i64 t = 0; t < rows; ++t)
    visible.push_back({std::int32_t(t < first_rows ? kept + t + 1 : 3 + t - first_rows + 1), 0, 0});

  auto x = noise(rows * channels), h = x, norm = noise(channels), cos = noise(rows * size / 2),
       sin = noise(rows * size / 2), all = noise(rows * (query_heads + 2 * kv_heads) * size),
       inner = noise(rows * 2 * wide), outer = noise(rows * wide);
  const Norm rms{ConstVector(norm.data(), {channels}), {}, 1e-5f};
  const Matrix mx = view(x, rows, channels), mh = view(h, rows, channels),
               mqkv = view(all, rows, (query_heads + 2 * kv_heads) * size);
  ops.project_heads(mx, rms, *qkv, {view(cos, rows, size / 2), view(sin, rows, size / 2), Rope::halves},
                    tokens, 1, mh, mqkv);
  const Cube q = mqkv.columns(0, query_heads * size).split_heads(query_heads);
  ops.attention(q, seen, visible, 5e-4f, q);
  ops.feed_forward(mx, {rms, *in, Activation::swiglu, *out}, mh, view(inner, rows, 2 * wide),
                   view(outer, rows, wide), mx, Store::add);
  const Projection to_qkv{*qkv, mqkv};
  ops.project(mx, rms, mh, std::span(&to_qkv, 1));
}

}  // namespace la::test
