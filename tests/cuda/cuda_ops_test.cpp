#include <array>
#include <cstring>

#include "../../la/ops/ops_check.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../../la/ops/ops_reference.hpp"
#include "../ops/all_ops.hpp"
#include "../session/decoder.hpp"
#include "attention_cases.hpp"
#include "counting_driver.hpp"
#include "emulated_ops.hpp"
#include "patch_cases.hpp"

// The CUDA backend on the emulated card, op by op beside the others.
namespace la::test {

TEST_CASE("cuda: every op agrees with reference, exact path") {
  const auto ops = make_check_ops(make_emulated_ops(), make_reference_ops(0, ActivationFormat::f32), 5e-6);
  CHECK_NOTHROW(run_all_ops(*ops));
  CHECK_NOTHROW(run_attention(*ops));
}

TEST_CASE("cuda: blocks of every kind are read as the host reads them") {
  const std::int32_t count = 3000;
  std::vector<float> summaries = block_cases(count, 2);
  std::vector<PendingBlock> blocks;
  for (std::int32_t b = 0; b < count; ++b) blocks.push_back({6 * (b * 7 % count), 5 * b});
  HostFeed got(count), want(count);
  make_staged_ops()->follow_blocks(view(summaries, 6 * count, kCaseFloats), blocks, block_tokens(),
                                   got.view());
  write_block_feed(view(summaries, 6 * count, kCaseFloats), blocks, block_tokens(), want.view());
  CHECK(got.ids == want.ids);
  CHECK(got.angles == want.angles);
  CHECK(got.wanted == want.wanted);
  const auto same = [](const std::vector<KeyMask>& a, const std::vector<KeyMask>& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(KeyMask)) == 0;
  };
  CHECK(same(got.visible, want.visible));
  CHECK(same(got.wanted_visible, want.wanted_visible));
}

namespace {

/// Values that bf16 holds, so that what tensor cores are given is what the others are given.
std::vector<float> bf16_noise(i64 n) {
  std::vector<float> values = noise(n);
  for (float& x : values) x = to_float(to_bf16(x));
  return values;
}

struct Product {
  i64 outputs, inputs;
};

/// Another copy: packing gives the pages of what it has read back.
Stored copy_of(const Stored& stored) {
  Stored copy = stored;
  copy.tensor.bytes = copy.bytes;
  return copy;
}

/// Rows of any number of rows, one by one and beside the reference.
void check_product(Ops& ops, Ops& oracle, const Product& p, WeightFormat format, double tolerance) {
  const MappedFile no_file;
  const Stored w({p.outputs, p.inputs}, DType::f32, no_file), bias({p.outputs}, DType::f32, no_file);
  const Stored again = copy_of(w);
  const WeightPart part{&w.tensor, &bias.tensor}, same{&again.tensor, &bias.tensor};
  const auto weight = ops.make_weight(std::span(&part, 1), format),
             truth = oracle.make_weight(std::span(&same, 1), format);
  const i64 most = 70;
  std::vector<float> x = bf16_noise(most * p.inputs), before = noise(most * p.outputs);
  const Matrix in = view(x, most, p.inputs);
  std::vector<float> all = before;
  ops.linear(in, *weight, view(all, most, p.outputs), Store::add);
  std::vector<float> want = before;
  oracle.linear(in, *truth, view(want, most, p.outputs), Store::add);
  CHECK(relative_error(all, want) <= tolerance);
  for (const i64 rows : {1, 12, 16, 17, 64, 65}) {
    CAPTURE(rows);
    std::vector<float> some = before;
    ops.linear(in.rows(0, rows), *weight, view(some, most, p.outputs).rows(0, rows), Store::add);
    const auto bytes = std::size_t(rows * p.outputs) * sizeof(float);
    CHECK(std::memcmp(some.data(), all.data(), bytes) == 0);
    CHECK(std::memcmp(reinterpret_cast<const std::byte*>(some.data()) + bytes,
                      reinterpret_cast<const std::byte*>(before.data()) + bytes,
                      before.size() * sizeof(float) - bytes) == 0);
  }
}

/// Error of a product of activations that bf16 does not hold; few and many rows give the same bits.
double error_of_rounding(Ops& ops, Ops& oracle, WeightFormat format, Precision precision) {
  const i64 rows = 20, inputs = 300, outputs = 24;
  const MappedFile no_file;
  const Stored w({outputs, inputs}, DType::bf16, no_file), again = copy_of(w);
  WeightPart part{&w.tensor, nullptr}, same{&again.tensor, nullptr};
  part.precision = same.precision = precision;
  const auto weight = ops.make_weight(std::span(&part, 1), format),
             truth = oracle.make_weight(std::span(&same, 1), format);
  std::vector<float> x = noise(rows * inputs), y(std::size_t(rows * outputs)), want = y;
  const Matrix in = view(x, rows, inputs), out = view(y, rows, outputs);
  oracle.linear(in, *truth, view(want, rows, outputs), Store::overwrite);
  ops.linear(in, *weight, out, Store::overwrite);
  std::vector<float> few = y;
  ops.linear(in.rows(0, 7), *weight, view(few, rows, outputs).rows(0, 7), Store::overwrite);
  CHECK(few == y);
  return relative_error(y, want);
}

}  // namespace

TEST_CASE("cuda: activations of high precision are two bf16") {
  const auto oracle = make_reference_ops(0, ActivationFormat::f32);
  const auto ops = make_staged_ops(ActivationFormat::auto_);
  for (const WeightFormat format : {WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4}) {
    CAPTURE(name_of(format));
    CHECK(error_of_rounding(*ops, *oracle, format, Precision::usual) > 2e-4);
    CHECK(error_of_rounding(*ops, *oracle, format, Precision::high) < 2e-5);
  }
}

TEST_CASE("cuda: products have the same bits for any number of rows, on both paths") {
  const auto oracle = make_reference_ops(0, ActivationFormat::f32);
  for (const ActivationFormat activations : {ActivationFormat::f32, ActivationFormat::auto_}) {
    const auto ops = make_staged_ops(activations);
    for (const Product& p :
         {Product{49, 33}, Product{16, 128}, Product{7, 517}, Product{130, 640}, Product{9, 8330}})
      for (const WeightFormat format :
           {WeightFormat::f32, WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4}) {
        CAPTURE(name_of(activations));
        CAPTURE(p.outputs);
        CAPTURE(p.inputs);
        CAPTURE(name_of(format));
        check_product(*ops, *oracle, p, format, 5e-6);
      }
  }
}

TEST_CASE("cuda: attention in tensor cores has the same bits for any number of rows") {
  const auto card = std::make_shared<CountingDriver>();
  for (const AttentionCase& c : kAttentionCases) {
    CAPTURE(c.kv_heads);
    for (const i64 size : {72, 44, 5}) {
      CAPTURE(size);
      CHECK(check_attention(card, c, Precision::usual, size) < 1e-3);
    }
    // Of two bf16, which larger heads always are.
    for (const i64 size : {128, 24, 100, 3}) {
      CAPTURE(size);
      CHECK(check_attention(card, c, size == 100 ? Precision::usual : Precision::high, size) < 2e-5);
    }
  }
  for (const char* kernel :
       {"attention_few_usual", "attention_many_usual", "attention_few_high", "attention_many_high"})
    for (const bool split : {false, true}) {
      CAPTURE(kernel);
      CAPTURE(split);
      CHECK(card->launches[{kernel, split}] > 0);
    }
}

TEST_CASE("cuda: a decoder's layer agrees with reference, in tensor cores") {
  const auto ops = make_check_ops(make_staged_ops(ActivationFormat::auto_),
                                  make_reference_ops(0, ActivationFormat::f32), 2e-4);
  for (const WeightFormat format : {WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4})
    for (const i64 rows : {1, 12, 40}) {
      CAPTURE(name_of(format));
      CAPTURE(rows);
      CHECK_NOTHROW(run_decoder_layer(*ops, rows, format));
    }
}

namespace {

/// Queries, what attention makes of keys and values, and what the feed-forward network makes of the same rows.
struct LayerRows {
  std::vector<float> queries, attended, fed;
};

/// A layer of `rows` rows of a sequence, in pieces that end at `ends`.
LayerRows run_in_pieces(Ops& ops, const Weight& qkv, const Weight& in, const Weight& out, i64 rows,
                        std::span<const i64> ends) {
  const i64 channels = qkv.inputs(), heads = 4, kv_heads = 2, size = 32, wide = out.inputs();
  const i64 width = (heads + 2 * kv_heads) * size;
  generator = Noise(7);
  std::vector<float> x = noise(rows * channels), h(x.size()), norm = noise(channels),
                     cos = noise(rows * size / 2), sin = noise(rows * size / 2), all = noise(rows * width),
                     inner(std::size_t(rows * 2 * wide)), outer(std::size_t(rows * wide));
  const Norm rms{ConstVector(norm.data(), {channels}), {}, 1e-5f};
  const Matrix mx = view(x, rows, channels), mh = view(h, rows, channels), mqkv = view(all, rows, width);
  const auto cache = ops.make_kv_cache({1, kv_heads, size, Precision::high});
  LayerRows result;
  i64 begin = 0;
  for (const i64 end : ends) {
    const i64 count = end - begin;
    cache->extend(count);
    const KvTokens tokens{cache.get(), begin, 0, count};
    ops.project_heads(mx.rows(begin, count), rms, qkv,
                      {view(cos, rows, size / 2).rows(begin, count),
                       view(sin, rows, size / 2).rows(begin, count), Rope::halves},
                      std::span(&tokens, 1), 0, mh.rows(begin, count), mqkv.rows(begin, count));
    const Matrix q = mqkv.columns(0, heads * size).rows(begin, count);
    for (i64 t = 0; t < count; ++t)
      result.queries.insert(result.queries.end(), q.row(t), q.row(t) + heads * size);
    std::vector<KeyMask> visible;
    for (i64 t = begin; t < end; ++t) visible.push_back({std::int32_t(t + 1), 0, 0});
    const KvRows seen{cache.get(), 0, 0, count};
    ops.attention(q.split_heads(heads), std::span(&seen, 1), visible, 0.2f, q.split_heads(heads));
    for (i64 t = 0; t < count; ++t)
      result.attended.insert(result.attended.end(), q.row(t), q.row(t) + heads * size);
    ops.feed_forward(mx.rows(begin, count), {rms, in, Activation::swiglu, out}, mh.rows(begin, count),
                     view(inner, rows, 2 * wide).rows(begin, count),
                     view(outer, rows, wide).rows(begin, count), mx.rows(begin, count), Store::add);
    begin = end;
  }
  result.fed = x;
  return result;
}

}  // namespace

TEST_CASE(
    "cuda: products of normed rows, turned, written and gated, have the same bits for any number of rows") {
  const auto ops = make_staged_ops(ActivationFormat::auto_);
  const MappedFile no_file;
  for (const WeightFormat format : {WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4})
    for (const i64 channels : {40, 640, 900}) {
      CAPTURE(name_of(format));
      CAPTURE(channels);
      const Stored a({8 * 32, channels}, DType::bf16, no_file), bias({8 * 32}, DType::f32, no_file),
          b({2 * 40, channels}, DType::bf16, no_file), c({channels, 40}, DType::bf16, no_file);
      WeightPart to_qkv{&a.tensor, &bias.tensor}, to_inner{&b.tensor, nullptr}, back{&c.tensor, nullptr};
      to_qkv.precision = Precision::high;
      const auto qkv = ops->make_weight(std::span(&to_qkv, 1), format),
                 in = ops->make_weight(std::span(&to_inner, 1), format),
                 out = ops->make_weight(std::span(&back, 1), format);
      const LayerRows whole = run_in_pieces(*ops, *qkv, *in, *out, 70, std::array<i64, 1>{70}),
                      pieces =
                          run_in_pieces(*ops, *qkv, *in, *out, 70, std::array<i64, 5>{1, 13, 29, 46, 70});
      CHECK(pieces.queries == whole.queries);
      CHECK(pieces.attended == whole.attended);
      CHECK(pieces.fed == whole.fed);
    }
}

TEST_CASE("cuda: a layer of the decoder is five launches, of few rows and of many") {
  const auto card = std::make_shared<CountingDriver>();
  Decoder d(make_cuda_ops({card, ActivationFormat::auto_, nullptr}));
  const auto ids = d.tokens(200, 71);
  for (const auto& [sequences, rows] : {std::pair<std::size_t, i64>{1, 12}, {4, 48}}) {
    CAPTURE(rows);
    std::vector<std::unique_ptr<KvCache>> caches;
    std::vector<SequenceInput> inputs;
    for (std::size_t i = 0; i < sequences; ++i) {
      caches.push_back(d.language.make_cache());
      d.logits(*caches.back(), std::span(ids).first(190), false);  // keys of several pages
      inputs.push_back({caches.back().get(), std::span(ids).first(196), {}, true});
    }
    const Workspace::Scope scope(d.workspace);
    const Matrix logits = d.workspace.matrix(i64(sequences) * 6, d.config.text.vocab_size);
    card->launches.clear();
    d.language.forward(inputs, d.workspace, logits);
    int all = 0, split = 0;
    for (const auto& [kernel, times] : card->launches) {
      all += times;
      if (kernel.first.starts_with("attention_") && kernel.second) split += times;
    }
    CHECK(split > 0);
    // Before the layers the embedding, in the last one what its rows with logits are, behind them these.
    CHECK(all == 1 + 5 * d.config.text.layers + 2 + 1);
  }
}

TEST_CASE("cuda: what no half holds becomes the largest of them") {
  const auto ops = make_staged_ops(ActivationFormat::auto_);
  const auto cache = ops->make_kv_cache({1, 1, 8, Precision::usual});
  cache->extend(1);
  const std::vector<float> k(8, 1e9f), v(8, -1e9f);
  std::vector<float> q(8, 1e9f);
  ops->kv_write(*cache, 0, 0, ConstCube(k.data(), {1, 1, 8}), ConstCube(v.data(), {1, 1, 8}));
  const KvRows of{cache.get(), 0, 0, 1};
  const KeyMask all{1, 0, 0};
  const Cube in_place(q.data(), {1, 1, 8});
  ops->attention(in_place, std::span(&of, 1), std::span(&all, 1), 1, in_place);
  CHECK(q == std::vector<float>(8, -65504.0f));
}

TEST_CASE("cuda: the exact product has the bits of the CPU's") {
  const auto ops = make_staged_ops(), cpu = make_cpu_ops({1, "", ActivationFormat::f32});
  const MappedFile no_file;
  const Stored w({37, 301}, DType::bf16, no_file);
  const Stored again = copy_of(w);
  const WeightPart part{&w.tensor, nullptr}, same{&again.tensor, nullptr};
  std::vector<float> x = noise(20 * 301), a(20 * 37), b = a;
  ops->linear(view(x, 20, 301), *ops->make_weight(std::span(&part, 1), WeightFormat::auto_), view(a, 20, 37),
              Store::overwrite);
  cpu->linear(view(x, 20, 301), *cpu->make_weight(std::span(&same, 1), WeightFormat::auto_), view(b, 20, 37),
              Store::overwrite);
  CHECK(a == b);
}

TEST_CASE("cuda: a picture becomes the very patches that the host makes of it") {
  const auto driver = make_emulated_driver();
  for (const PatchCase& c : kPatchCases) {
    CAPTURE(c.width);
    CAPTURE(c.height);
    const Image image = noise_image(c.width, c.height);
    CHECK(patches_of_card(*driver, image, c) == patches_of_card(*driver, image, c, 3));
  }
}

TEST_CASE("cuda: pictures that are not RGB, or have gaps between their rows, reach the card as RGB") {
  const auto driver = make_emulated_driver();
  const PatchCase c{1501, 951, {60, 38}};  // more rows than one slice of the host's holds
  for (const PixelFormat format : {PixelFormat::rgb, PixelFormat::bgr, PixelFormat::rgba, PixelFormat::grey,
                                   PixelFormat::nv12, PixelFormat::yuyv}) {
    CAPTURE(name_of(format));
    const i64 stride = 4 * c.width + 5, rows = 2 * c.height;
    std::vector<std::uint8_t> bytes(std::size_t(stride * rows));
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::uint8_t(i * i % 251);
    patches_of_card(*driver, ImageView(bytes.data(), c.width, c.height, stride, format), c);
    if (format != PixelFormat::nv12)  // the last row first
      patches_of_card(
          *driver, ImageView(bytes.data() + (c.height - 1) * stride, c.width, c.height, -stride, format), c);
  }
}

TEST_CASE("cuda: the card takes pictures from some pixels on, and none that would fill it") {
  const auto launched = [](i64 width, i64 height, i64 limit) {
    const auto driver = std::make_shared<CountingDriver>();
    const auto ops = make_cuda_ops({driver, ActivationFormat::auto_, nullptr});
    const Image image = noise_image(width, height);
    ProcessorConfig config;
    config.in_token_limit = limit;
    const auto patches = ops->make_patches(image, {width, height}, config, nullptr);
    const i64 values = 3 * config.patch_size * config.patch_size;
    std::vector<float> got(static_cast<std::size_t>(values));
    const auto memory = ops->allocate(got.size() * sizeof(float));
    const i64 last = patches->grid_h() * patches->grid_w() - 1;
    patches->read(last, Matrix(reinterpret_cast<float*>(memory.get()), {1, values}));
    ops->download(memory.get(), got.data(), got.size() * sizeof(float));
    const Patches want = preprocess(image, config);
    CHECK(std::memcmp(got.data(), want.values.data() + last * values, got.size() * sizeof(float)) == 0);
    std::vector<int> counts;
    for (const char* kernel : {"resize_rows", "resize_columns", "patch_rows"})
      counts.push_back(driver->launches[{kernel, false}]);
    return counts;
  };
  CHECK(launched(100, 109, 4096) == std::vector{0, 0, 0});  // 32700 bytes
  CHECK(launched(100, 110, 4096) == std::vector{1, 1, 1});  // 33000
  CHECK(launched(112, 112, 4096) == std::vector{0, 0, 1});  // nothing to resize
  CHECK(launched(100, 112, 4096) == std::vector{1, 0, 1});
  CHECK(launched(112, 110, 4096) == std::vector{0, 1, 1});
  CHECK(launched(130, 120, 20) == std::vector{2, 2, 1});  // shrunk to the limit, then to whole patches

  const auto worth = [](PixelSize size, PixelSize to) { return cuda::worth_on_card({size, to}); };
  CHECK(worth({8000, 8000}, {2576, 8000}));
  CHECK(!worth({12000, 12000}, {2576, 12000}));  // 432 MB
  CHECK(!worth({60000000, 1}, {100, 1}));        // 180 MB, and a thousand for its taps
}

}  // namespace la::test
