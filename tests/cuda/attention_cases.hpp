#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "../../la/ops/ops_cuda.hpp"
#include "../../la/ops/ops_reference.hpp"
#include "../ops/all_ops.hpp"
#include "staged_ops.hpp"

namespace la::test {

struct AttentionCase {
  i64 kv_heads, group, rows;
};

/// For blocks of few pairs and of many, of a page each and of all keys.
inline constexpr AttentionCase kAttentionCases[] = {{2, 3, 150}, {5, 5, 120}, {16, 1, 150}, {4, 12, 190}};

/// Attention of a sequence of causal rows whose last ones are a block's: all rows in one call, then one by one or a few, in a
/// cache of their own. All have the bits of the first; its error beside the reference is returned.
inline double check_attention(const std::shared_ptr<cuda::Driver>& card, const AttentionCase& c,
                              Precision precision, i64 size) {
  const auto [kv_heads, group, rows] = c;
  const KvShape shape{2, kv_heads, size, precision};
  const auto ops = std::make_unique<StagedOps>(make_cuda_ops({card, ActivationFormat::auto_, nullptr}));
  const auto oracle = make_reference_ops(0, ActivationFormat::f32);
  const i64 heads = kv_heads * group, block = 6;
  const std::vector<float> k = noise(rows * kv_heads * size), v = noise(rows * kv_heads * size),
                           q = noise(rows * heads * size);
  const auto fill = [&](Ops& on) {
    auto cache = on.make_kv_cache(shape);
    cache->extend(rows);
    // In two pieces, the second from the middle of a page on.
    for (const auto& [first, count] : {std::pair<i64, i64>{0, rows / 3}, {rows / 3, rows - rows / 3}})
      on.kv_write(*cache, 1, first, ConstCube(k.data() + first * kv_heads * size, {count, kv_heads, size}),
                  ConstCube(v.data() + first * kv_heads * size, {count, kv_heads, size}));
    return cache;
  };
  std::vector<KeyMask> visible;
  for (i64 t = 0; t < rows - block; ++t) visible.push_back({std::int32_t(t + 1), 0, 0});
  for (i64 t = 0; t < block; ++t)
    visible.push_back({std::int32_t(rows - block - 1), std::int32_t(rows - block), std::int32_t(rows)});
  const auto attend = [&](Ops& on, const KvCache& cache, i64 first, i64 count) {
    std::vector<float> out(std::size_t(count * heads * size));
    const KvRows of{&cache, 1, 0, count};
    on.attention(ConstCube(q.data() + first * heads * size, {count, heads, size}), std::span(&of, 1),
                 std::span(visible).subspan(std::size_t(first), std::size_t(count)), 0.11f,
                 Cube(out.data(), {count, heads, size}));
    return out;
  };
  const auto cache = fill(*ops), truth = fill(*oracle);
  const std::vector<float> all = attend(*ops, *cache, 0, rows);
  for (const auto& [first, count] :
       {std::pair<i64, i64>{0, 1}, {rows - block, block}, {rows / 2 - 3, 1}, {70, 21}, {rows - 9, 9}}) {
    CAPTURE(first);
    CAPTURE(count);
    const std::vector<float> some = attend(*ops, *cache, first, count);
    CHECK(std::memcmp(some.data(), all.data() + first * heads * size, some.size() * sizeof(float)) == 0);
  }
  return relative_error(all, attend(*oracle, *truth, 0, rows));
}

}  // namespace la::test
