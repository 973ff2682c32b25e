#pragma once

#include "../common/vector.hpp"
#include "../gemm/gemm_blocked.hpp"

// Streaming softmax over pages of 64 keys, on the register tiles of the matrix product; parts of 128 keys are merged.
// source: Milakov and Gimelshein 2018, online normaliser; Dao et al. 2022, FlashAttention
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// What a row has seen so far: the largest score, and sums of exp(score - max) by lane.
struct RowState {
  float max;
  float sum[kLanes];
};
static_assert(sizeof(RowState) <= 32 * sizeof(float));

inline bool sees(const KeyMask& v, i64 key) noexcept {
  return key < v.prefix || (key >= v.window_begin && key < v.window_end);
}

inline i64 end_of(const KeyMask& v) noexcept {
  return v.window_end > v.prefix ? v.window_end : v.prefix;
}

/// Below every score. Finite: infinities are what -ffast-math takes for impossible.
inline constexpr float kUnseen = -3.402823466e38f;

/// Hidden keys of one page become kUnseen, which adds exact zeros to every sum.
inline void hide(float* scores, const KeyMask& v, i64 first_key) noexcept {
  if (v.prefix >= first_key + kPageKeys) return;
  for (i64 j = 0; j < kPageKeys; ++j)
    if (!sees(v, first_key + j)) scores[j] = kUnseen;
}

/// Scores of one page become exp(score - max); returns the factor for what was summed before.
inline float rescore(float* scores, RowState& row) noexcept {
  V top = load(scores);
  for (i64 j = kLanes; j < kPageKeys; j += kLanes) top = xsimd::max(load(scores + j), top);
  const float page_max = max_lanes(top);
  const float max = page_max > row.max ? page_max : row.max;
  const V m(max == kUnseen ? 0.0f : max);  // nothing seen yet
  V s(0.0f);
  for (i64 j = 0; j < kPageKeys; j += kLanes) {
    const V p = exp_fast(load(scores + j) - m);
    store(scores + j, p);
    s += p;
  }
  float factor = 1.0f;
  if (max > row.max) {
    float lane[kLanes];
    store(lane, exp_fast(V(row.max - max)));
    factor = lane[0];
  }
  store(row.sum, fma(load(row.sum), V(factor), s));
  row.max = max;
  return factor;
}

/// Each panel of a product fetches its share of what is needed next.
inline void prefetch(TileCall<float>& t, const float* next, i64 bytes_a_panel) noexcept {
  t.ahead = reinterpret_cast<const char*>(next);
  t.ahead_stride = bytes_a_panel;
}

/// What a part of the keys gives.
struct PartState {
  float* out;  // [rows, padded D] unnormalised
  RowState* rows;
};

inline PartState part_state(float* state, i64 rows, i64 padded) noexcept {
  return {state, reinterpret_cast<RowState*>(state + rows * padded)};
}

inline i64 last_end(const Attention& a) noexcept {
  i64 end = 0;
  for (i64 r = 0; r < a.rows; ++r)
    if (end_of(a.visible[r]) > end) end = end_of(a.visible[r]);
  return end;
}

/// Keys [begin, end) alone, of all that are fetched up to `fetched`.    shape: q [rows, padded D] scaled, scores [rows, 64]
template <class Micro>
inline void attend_part(const Attention& a, const float* q, float* scores, i64 begin, i64 end, i64 fetched,
                        const PartState& part) noexcept {
  const i64 padded = (a.d + 15) / 16 * 16;
  const i64 k_bytes = kPageKeys * a.d * i64(sizeof(float)), v_bytes = kPageKeys * padded * i64(sizeof(float));
  const i64 key_panels = kPageKeys / kPanel, value_panels = padded / kPanel;
  for (i64 r = 0; r < a.rows; ++r) part.rows[r] = {kUnseen, {}};
  if (begin >= end)
    for (i64 i = 0; i < a.rows * padded; ++i) part.out[i] = 0;
  for (i64 first = begin; first < end; first += kPageKeys) {
    const float* page = a.pages[first / kPageKeys];
    const float* next = first + kPageKeys < fetched ? a.pages[first / kPageKeys + 1] : page;
    TileCall<float> scored{.k = a.d,
                           .a = q,
                           .lda = padded,
                           .b = page + a.k_offset,
                           .b_stride = a.d * kPanel,
                           .c = scores,
                           .ldc = kPageKeys,
                           .c_stride = kPanel,
                           .load = false};
    prefetch(scored, page + a.v_offset, v_bytes / key_panels);
    run_rows<Micro>(a.rows, key_panels, scored, v_bytes / key_panels);
    for (i64 r = 0; r < a.rows; ++r) {
      hide(scores + r * kPageKeys, a.visible[r], first);
      const float factor = rescore(scores + r * kPageKeys, part.rows[r]);
      if (factor != 1.0f && first > begin) {
        float* o = part.out + r * padded;
        for (i64 d = 0; d < padded; d += kLanes) store(o + d, load(o + d) * V(factor));
      }
    }
    TileCall<float> mixed{.k = kPageKeys,
                          .a = scores,
                          .lda = kPageKeys,
                          .b = page + a.v_offset,
                          .b_stride = kPageKeys * kPanel,
                          .c = part.out,
                          .ldc = padded,
                          .c_stride = kPanel,
                          .load = first > begin};
    prefetch(mixed, next + a.k_offset, k_bytes / value_panels);
    run_rows<Micro>(a.rows, value_panels, mixed, k_bytes / value_panels);
  }
}

/// Adds the part that begins with key `first` to those before it; a row that ends before has nothing of it. Whichever of
/// the two has the largest score keeps its sums, the other's are scaled.
inline void merge_part(const Attention& a, const PartState& all, i64 first, const PartState& part) noexcept {
  static_assert(kAttentionRows % kLanes == 0);
  const i64 padded = (a.d + 15) / 16 * 16;
  float factors[kAttentionRows];
  for (i64 r = 0; r < kAttentionRows; ++r) {
    const float gap = r < a.rows ? part.rows[r].max - all.rows[r].max : 0.0f;
    factors[r] = gap > 0 ? -gap : gap;
  }
  for (i64 r = 0; r < a.rows; r += kLanes) store(factors + r, exp_fast(load(factors + r)));
  for (i64 r = 0; r < a.rows; ++r) {
    if (first >= end_of(a.visible[r])) continue;
    RowState &sum = all.rows[r], &more = part.rows[r];
    const V factor(factors[r]);
    float* o = all.out + r * padded;
    const float* p = part.out + r * padded;
    if (more.max > sum.max) {
      store(sum.sum, fma(load(sum.sum), factor, load(more.sum)));
      sum.max = more.max;
      for (i64 d = 0; d < padded; d += kLanes) store(o + d, fma(load(o + d), factor, load(p + d)));
    } else {
      store(sum.sum, fma(load(more.sum), factor, load(sum.sum)));
      for (i64 d = 0; d < padded; d += kLanes) store(o + d, fma(load(p + d), factor, load(o + d)));
    }
  }
}

inline void normalize_rows(const Attention& a, const PartState& all) noexcept {
  const i64 padded = (a.d + 15) / 16 * 16;
  for (i64 r = 0; r < a.rows; ++r) {
    const float sum = sum_lanes(load(all.rows[r].sum));
    const V inverse(sum == 0 ? 0.0f : 1.0f / sum);
    map(all.out + r * padded, a.d, a.out[r], [inverse](V v) { return v * inverse; });
  }
}

template <class Micro>
void attention_streaming(const Attention& a) noexcept {
  const i64 padded = (a.d + 15) / 16 * 16, state = attention_state(a.rows, a.d);
  float* q = a.scratch;                         // [rows, padded D] scaled queries
  float* scores = q + kAttentionRows * padded;  // [rows, 64]
  float* own = scores + kAttentionRows * kPageKeys;
  const V scale(a.scale);
  for (i64 r = 0; r < a.rows; ++r) map(a.q[r], a.d, q + r * padded, [scale](V v) { return v * scale; });
  const i64 end = last_end(a);
  const auto attend = [&](i64 part, i64 fetched, float* to) {
    const i64 begin = part * kPartKeys;
    attend_part<Micro>(a, q, scores, begin, begin + kPartKeys < end ? begin + kPartKeys : end, fetched,
                       part_state(to, a.rows, padded));
  };
  if (a.states) {
    const i64 last = (a.first_part + a.parts) * kPartKeys;
    for (i64 part = a.first_part; part < a.first_part + a.parts; ++part)
      attend(part, last < end ? last : end, a.states + part * state);
    return;
  }
  const PartState all = part_state(own, a.rows, padded), next = part_state(own + state, a.rows, padded);
  attend(0, end, own);
  for (i64 part = 1; part < attention_parts(end); ++part) {
    attend(part, end, own + state);
    merge_part(a, all, part * kPartKeys, next);
  }
  normalize_rows(a, all);
}

inline void merge_streaming(const Attention& a) noexcept {
  const i64 padded = (a.d + 15) / 16 * 16, state = attention_state(a.rows, a.d);
  const PartState all = part_state(a.states, a.rows, padded);
  for (i64 part = 1; part < a.parts; ++part)
    merge_part(a, all, part * kPartKeys, part_state(a.states + part * state, a.rows, padded));
  normalize_rows(a, all);
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
