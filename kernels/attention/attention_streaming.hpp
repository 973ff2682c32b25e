#pragma once

#include "../common/vector.hpp"
#include "../gemm/gemm_blocked.hpp"

// Streaming softmax over pages of 64 keys, on the register tiles of the matrix product.
// source: Milakov and Gimelshein 2018, online normaliser; Dao et al. 2022, FlashAttention
namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// What a row has seen so far: the largest score, and sums of exp(score - max) by lane.
struct RowState {
  float max;
  float sum[kLanes];
};
static_assert(sizeof(RowState) <= kAttentionState * sizeof(float));

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

template <class Micro>
void attention_streaming(const Attention& a) noexcept {
  const i64 padded = (a.d + 15) / 16 * 16;
  float* q = a.scratch;                              // [rows, D] scaled queries
  float* scores = q + kAttentionRows * padded;       // [rows, 64]
  float* out = scores + kAttentionRows * kPageKeys;  // [rows, padded D] unnormalised
  RowState* state = reinterpret_cast<RowState*>(out + kAttentionRows * padded);
  const V scale(a.scale);
  i64 end = 0;
  for (i64 r = 0; r < a.rows; ++r) {
    map(a.q[r], a.d, q + r * padded, [scale](V v) { return v * scale; });
    for (i64 d = 0; d < padded; ++d) out[r * padded + d] = 0;
    state[r] = {kUnseen, {}};
    if (end_of(a.visible[r]) > end) end = end_of(a.visible[r]);
  }
  const i64 k_bytes = kPageKeys * a.d * i64(sizeof(float)), v_bytes = kPageKeys * padded * i64(sizeof(float));
  const i64 key_panels = kPageKeys / kPanel, value_panels = padded / kPanel;
  for (i64 first = 0; first < end; first += kPageKeys) {
    const float* page = a.pages[first / kPageKeys];
    const float* next = first + kPageKeys < end ? a.pages[first / kPageKeys + 1] : page;
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
      const float factor = rescore(scores + r * kPageKeys, state[r]);
      if (factor != 1.0f) {
        float* o = out + r * padded;
        for (i64 d = 0; d < padded; d += kLanes) store(o + d, load(o + d) * V(factor));
      }
    }
    TileCall<float> mixed{.k = kPageKeys,
                          .a = scores,
                          .lda = kPageKeys,
                          .b = page + a.v_offset,
                          .b_stride = kPageKeys * kPanel,
                          .c = out,
                          .ldc = padded,
                          .c_stride = kPanel,
                          .load = true};
    prefetch(mixed, next + a.k_offset, k_bytes / value_panels);
    run_rows<Micro>(a.rows, value_panels, mixed, k_bytes / value_panels);
  }
  for (i64 r = 0; r < a.rows; ++r) {
    const float sum = sum_lanes(load(state[r].sum));
    const V inverse(sum == 0 ? 0.0f : 1.0f / sum);
    map(out + r * padded, a.d, a.out[r], [inverse](V v) { return v * inverse; });
  }
}

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
