#pragma once

#include "attention_rows.hpp"

// Attention in f32 on pages of float. A block of 128 threads takes 16 pairs that share a key/value head, 8 threads a pair,
// and goes through the pages of its keys: scores, softmax with the largest score so far, sums of values.
namespace la::inline LA_ABI::kernels::cuda {

inline constexpr int kExactAcross = kThreads / kAttentionPairs;     // threads a pair
inline constexpr int kExactKeys = kPageKeys / kExactAcross;         // scores of a page a thread
inline constexpr int kExactChannels = kMaxHeadSize / kExactAcross;  // most channels a thread

struct ExactSums {
  float value[kExactChannels] = {};
  PartState state;
};

/// A page's keys to shared memory, in the background.
LA_DEVICE inline void copy_keys(const float* keys, int size, float* to) {
  const int stride = exact_key_stride(size);
  if (size % 4 == 0)
    for (int e = thread_index() * 4; e < kPageKeys * size; e += kThreads * 4)
      copy_async<16>(to + e / size * stride + e % size, keys + e);
  else
    for (int e = thread_index(); e < kPageKeys * size; e += kThreads)
      copy_async<4>(to + e / size * stride + e % size, keys + e);
  commit_copies();
}

/// One page of keys, those of them that the row sees, to the sums. The keys are on their way to shared memory; those of the
/// next page follow once they are used. next: null: there is none
LA_DEVICE inline void exact_page(const AttentionRows& a, const float* values, const float* next,
                                 int first_key, const KeyMask& mask, bool pair, const float* q, float* scores,
                                 float* keys, int j, ExactSums& sums) {
  const int stride = exact_key_stride(a.size);
  wait_copies<0>();
  sync_block();  // the keys are there, and the scores of the page before are used
  if (pair) LA_UNROLL
  for (int i = 0; i < kExactKeys; ++i) {
    const int slot = j + kExactAcross * i;
    float score = -__builtin_inff();
    if (sees(mask, first_key + slot)) {
      score = 0;
      for (int d = 0; d < a.size; ++d) score = __builtin_fmaf(q[d], keys[slot * stride + d], score);
      score *= a.scale;
    }
    scores[slot] = score;
  }
  sync_block();
  if (next) copy_keys(next, a.size, keys);
  float max = sums.state.max;
  if (pair)
    for (int slot = 0; slot < kPageKeys; ++slot) max = scores[slot] > max ? scores[slot] : max;
  sync_block();  // all have read the scores that now become weights
  if (pair) LA_UNROLL
  for (int i = 0; i < kExactKeys; ++i) {
    float& score = scores[j + kExactAcross * i];
    score = score == -__builtin_inff() ? 0.0f : exponential(score - max);
  }
  sync_block();
  if (pair) {
    const float old = rescale(sums.state.max, max);
    float total = 0;
    for (int slot = 0; slot < kPageKeys; ++slot) total += scores[slot];
    sums.state.total = __builtin_fmaf(sums.state.total, old, total);
    sums.state.max = max;
    LA_UNROLL
    for (int i = 0; i < kExactChannels; ++i) {
      const int d = j + kExactAcross * i;
      if (d >= a.size) break;
      float sum = sums.value[i] * old;
      for (int slot = 0; slot < kPageKeys; ++slot)
        sum = __builtin_fmaf(scores[slot], values[slot * a.size + d], sum);
      sums.value[i] = sum;
    }
  }
}

LA_DEVICE inline void merge_part(ExactSums& all, const ExactSums& part) {
  const float max = part.state.max > all.state.max ? part.state.max : all.state.max;
  const float old = rescale(all.state.max, max), own = rescale(part.state.max, max);
  LA_UNROLL
  for (int i = 0; i < kExactChannels; ++i)
    all.value[i] = __builtin_fmaf(all.value[i], old, part.value[i] * own);
  all.state.total = __builtin_fmaf(all.state.total, old, part.state.total * own);
  all.state.max = max;
}

/// grid: (tasks, parts or 1)
LA_KERNEL void attention_exact(AttentionRows a) {
  wait_for_launches();
  const AttentionTask task = a.tasks[block_index_x()];
  const int i = thread_index() / kExactAcross, j = thread_index() % kExactAcross, pair = task.first + i;
  const bool there = i < task.count;
  const i64 t = task.begin + (there ? pair : task.first) / a.group;
  const i64 h = i64(task.kv_head) * a.group + (there ? pair : task.first) % a.group;
  const KeyMask mask = a.visible[t];

  float* q = shared_memory<float>() + i * (a.size + 1);
  float* scores = shared_memory<float>() + kAttentionPairs * (a.size + 1) + i * (kPageKeys + 1);
  float* keys = shared_memory<float>() + kAttentionPairs * (a.size + 1 + kPageKeys + 1);
  for (int d = j; d < a.size; d += kExactAcross) q[d] = a.q[t * a.q_stride + h * a.q_head_stride + d];

  // All threads go the same way: what any of the tile's rows sees.
  int end = 0;
  for (int p = 0; p < task.count; ++p) {
    const int own = end_of(a.visible[task.begin + (task.first + p) / a.group]);
    end = own > end ? own : end;
  }
  const int parts = (end + kAttentionPart - 1) / kAttentionPart;
  const int first = a.partial ? block_index_y() : 0, last = a.partial && first < parts ? first + 1 : parts;
  constexpr int pages = kAttentionPart / kPageKeys;  // of a part
  const int last_page =
      last * pages < (end + kPageKeys - 1) / kPageKeys ? last * pages : (end + kPageKeys - 1) / kPageKeys;
  const auto keys_of = [&](int page) {
    return reinterpret_cast<const float*>(task.pages[page]) + a.layer_offset +
           i64(task.kv_head) * 2 * kPageKeys * a.size;
  };
  if (first * pages < last_page) copy_keys(keys_of(first * pages), a.size, keys);
  ExactSums all;
  for (int part = first; part < last; ++part) {
    ExactSums own;
    for (int page = part * pages; page < (part + 1) * pages && page < last_page; ++page)
      exact_page(a, keys_of(page) + kPageKeys * a.size, page + 1 < last_page ? keys_of(page + 1) : nullptr,
                 page * kPageKeys, mask, there, q, scores, keys, j, own);
    if (!there || !sees_any(mask, part * kAttentionPart, (part + 1) * kAttentionPart)) continue;
    if (!a.partial) {
      merge_part(all, own);
      continue;
    }
    float* to = a.partial + ((t * a.heads + h) * a.parts + part) * (a.size + 2);
    LA_UNROLL
    for (int c = 0; c < kExactChannels; ++c)
      if (j + kExactAcross * c < a.size) to[j + kExactAcross * c] = own.value[c];
    if (j == 0) {
      to[a.size] = own.state.total;
      to[a.size + 1] = own.state.max;
    }
  }
  if (!there || a.partial) return;
  LA_UNROLL
  for (int c = 0; c < kExactChannels; ++c)
    if (j + kExactAcross * c < a.size)
      a.out[t * a.out_stride + h * a.out_head_stride + j + kExactAcross * c] =
          finished(all.value[c], all.state.total);
}

/// grid: tokens
LA_KERNEL void kv_write(KvWrite a) {
  wait_for_launches();
  const int token = a.first + block_index_x(), slot = token % kPageKeys;
  const i64 t = block_index_x();
  for (int e = thread_index(); e < a.heads * a.size; e += block_size()) {
    const int g = e / a.size, d = e % a.size;
    const i64 at = a.to.layer_offset + (i64(g) * 2 * kPageKeys + slot) * a.size + d;
    const float k = a.k[t * a.k_stride + g * a.k_head_stride + d],
                v = a.v[t * a.v_stride + g * a.v_head_stride + d];
    auto* page = reinterpret_cast<float*>(a.to.pages[token / kPageKeys]);
    page[at] = k;
    page[at + i64(kPageKeys) * a.size] = v;
  }
}

}  // namespace la::inline LA_ABI::kernels::cuda
