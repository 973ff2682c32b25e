#pragma once

#include "planes.hpp"
#include "rows.hpp"

// Which outputs a warp multiplies for together, and what becomes of the sums: of products as they are, and of normed rows.
namespace la::inline LA_ABI::kernels::cuda {

template <class Arguments>
inline constexpr bool kNormed = false;
template <>
inline constexpr bool kNormed<NormedLinear> = true;

LA_DEVICE inline const Linear& product_of(const Linear& a) {
  return a;
}
LA_DEVICE inline const Linear& product_of(const NormedLinear& a) {
  return a.product;
}

/// Two tiles of outputs whose sums one lane has: what belongs together is ended by one thread.
struct TilePair {
  i64 first, distance;
};
LA_DEVICE inline TilePair pair_of(const Linear&, i64 pair) {
  return {2 * pair, 1};
}
LA_DEVICE inline TilePair pair_of(const NormedLinear& a, i64 pair) {
  if (a.ending == Ending::swiglu) return {pair, a.product.weight.outputs / (2 * kTile)};
  if (a.ending == Ending::store) return {2 * pair, 1};
  const i64 half = a.heads.size / (2 * kTile);
  return {pair / half * 2 * half + pair % half, half};
}

LA_DEVICE inline void store_sum(const Linear& a, i64 m, i64 n, float sum) {
  if (m >= a.rows || n >= a.weight.outputs) return;
  if (a.weight.bias) sum += a.weight.bias[n];
  if (a.activation == Activation::gelu_tanh) sum = gelu_tanh_of(sum);
  if (a.activation == Activation::gelu_erf) sum = gelu_erf_of(sum);
  float& y = a.y[m * a.y_stride + n];
  y = a.add ? y + sum : sum;
}

/// 1 / sqrt(mean(x^2) + eps)
LA_DEVICE inline float row_scale(const NormedLinear& a, float squares) {
  return 1.0f / square_root(squares / float(a.product.weight.inputs) + a.eps);
}

/// Query, key or value: channels p and p + D / 2 of a head of row m.
LA_DEVICE inline void end_head(const NormedLinear& a, i64 m, int head, int p, float first, float second) {
  const Heads& h = a.heads;
  const int half = h.size / 2;
  if (head < h.queries + h.keys) {
    const float c = h.cos[m * h.cos_stride + p], s = h.sin[m * h.sin_stride + p], u = first, v = second;
    first = __builtin_fmaf(u, c, -(v * s));
    second = __builtin_fmaf(u, s, v * c);
  }
  if (head < h.queries) {
    float* to = a.product.y + m * a.product.y_stride + i64(head) * h.size + p;
    to[0] = first;
    to[half] = second;
    return;
  }
  const KvPlace place = h.places[m];
  const PlanesOfPage page = planes_of(place.pages, place.token, h.layer_offset, h.size, h.planes);
  const int slot = int(place.token % kPageKeys), of_keys = head - h.queries;
  if (of_keys < h.keys) {
    page.write(page.key(of_keys, slot, p), first);
    page.write(page.key(of_keys, slot, p + half), second);
  } else {
    page.write(page.value(of_keys - h.keys, slot, p), first);
    page.write(page.value(of_keys - h.keys, slot, p + half), second);
  }
}

/// Ends output `column` of each of two tiles.
LA_DEVICE inline void end_pair(const Linear& a, i64 pair, i64 m, int column, const float (&sums)[2], float) {
  LA_UNROLL
  for (int n = 0; n < 2; ++n) store_sum(a, m, (2 * pair + n) * kTile + column, sums[n]);
}
LA_DEVICE inline void end_pair(const NormedLinear& a, i64 pair, i64 m, int column, const float (&sums)[2],
                               float squares) {
  const Linear& l = a.product;
  if (m >= l.rows) return;
  const float scale = row_scale(a, squares);
  const TilePair tiles = pair_of(a, pair);
  float values[2];
  LA_UNROLL
  for (int n = 0; n < 2; ++n) {
    const i64 output = (tiles.first + n * tiles.distance) * kTile + column;
    if (output >= l.weight.outputs) return;
    values[n] = __builtin_fmaf(sums[n], scale, l.weight.bias ? l.weight.bias[output] : 0.0f);
    if (a.ending == Ending::store) l.y[m * l.y_stride + output] = values[n];
  }
  if (a.ending == Ending::swiglu)
    l.y[m * l.y_stride + pair * kTile + column] = swiglu_of(values[0], values[1]);
  if (a.ending == Ending::heads) {
    const int half = a.heads.size / (2 * kTile);
    end_head(a, m, int(pair) / half, int(pair) % half * kTile + column, values[0], values[1]);
  }
}

}  // namespace la::inline LA_ABI::kernels::cuda
