#pragma once

#include "attention_rows.hpp"
#include "planes.hpp"

// Attention in tensor cores, on pages of halves or of sums of two bf16. A warp holds 16 pairs of a token and a query head as
// the rows of its products: S = Q K^T of a page of keys, softmax of what they see, O += P V; sums in f32.
//
// A page is a part of the keys: its weights are powers of two below its own largest score, and pages are merged in their
// order, by the block that summed them, or by the last one to end of those that summed one each. What is summed by more than one
// lane, a total, is a product too, with a value of one: so blocks of many pairs, where a warp takes all keys of its pairs, and
// of few, where four warps take a quarter of the keys and then of the channels each, give the same bits.
namespace la::inline LA_ABI::kernels::cuda {

struct alignas(8) Words2 {
  std::uint32_t x, y;
};
struct alignas(16) EightFloats {
  float v[8];
};

inline constexpr int kPageSteps = kPageKeys / 16;

/// Where a key of a page lies in shared memory. The columns of two tiles of scores are such that a lane gets four
/// neighbouring keys, which it then multiplies four neighbouring values with.
LA_DEVICE inline int key_place(int key) {
  return (key & ~15) | (key & 2) << 2 | (key >> 1 & 6) | (key & 1);
}

/// 16 numbers of 16 bits of the rows g and g + 8 of a warp, the first operand of a product.
struct RowOperand {
  std::uint32_t word[4];
};

LA_DEVICE inline Words4 words_of(const RowOperand& x) {
  return {x.word[0], x.word[1], x.word[2], x.word[3]};
}
LA_DEVICE inline RowOperand operand_of(const Words4& w) {
  return {{w.x, w.y, w.z, w.w}};
}

/// Numbers of rows g and g + 8: one plane of halves, or two of bf16.
LA_DEVICE inline void take_rows(float (&low)[4], float (&high)[4], RowOperand (&to)[1]) {
  to[0] = {{to_half_pair(low[0], low[1]), to_half_pair(high[0], high[1]), to_half_pair(low[2], low[3]),
            to_half_pair(high[2], high[3])}};
}
LA_DEVICE inline void take_rows(float (&low)[4], float (&high)[4], RowOperand (&to)[2]) {
  LA_UNROLL
  for (int plane = 0; plane < 2; ++plane) LA_UNROLL
  for (int h = 0; h < 2; ++h) {
    const std::uint32_t a = to_bf16_pair(low[2 * h], low[2 * h + 1]),
                        b = to_bf16_pair(high[2 * h], high[2 * h + 1]);
    to[plane].word[2 * h] = a;
    to[plane].word[2 * h + 1] = b;
    low[2 * h] -= low_value(a);
    low[2 * h + 1] -= high_value(a);
    high[2 * h] -= low_value(b);
    high[2 * h + 1] -= high_value(b);
  }
}

/// c += a b, but for the product of the second planes. b: the second plane lies `plane` words behind the first
LA_DEVICE inline void multiply_planes(float (&c)[4], const RowOperand (&a)[1], const std::uint32_t* b, int) {
  const Words2 only = *reinterpret_cast<const Words2*>(b);
  mma_half(c, a[0].word, only.x, only.y);
}
LA_DEVICE inline void multiply_planes(float (&c)[4], const RowOperand (&a)[2], const std::uint32_t* b,
                                      int plane) {
  const Words2 first = *reinterpret_cast<const Words2*>(b),
               second = *reinterpret_cast<const Words2*>(b + plane);
  mma_bf16(c, a[0].word, first.x, first.y);
  mma_bf16(c, a[0].word, second.x, second.y);
  mma_bf16(c, a[1].word, first.x, first.y);
}
/// c += the sum of a row.
LA_DEVICE inline void add_up(float (&c)[4], const RowOperand (&a)[1]) {
  mma_half(c, a[0].word, 0x3c003c00u, 0x3c003c00u);
}
LA_DEVICE inline void add_up(float (&c)[4], const RowOperand (&a)[2]) {
  LA_UNROLL
  for (int plane = 0; plane < 2; ++plane) mma_bf16(c, a[plane].word, 0x3f803f80u, 0x3f803f80u);
}

/// A block's part of an attention on pages of `Planes` planes, for heads of at most `Most` values.
/// Size: of a head, where it is known to the compiler, else 0
template <int Planes, int Most, int Size, bool Few>
struct TensorAttention {
  static constexpr int kSteps = (Most + 15) / 16, kTiles = Most / 8;
  static constexpr int kKeyStride = tensor_key_words(Most), kValueStride = tensor_value_words(Most);
  static constexpr int kKeyPlane = kPageKeys * kKeyStride, kValuePlane = kPageKeys / 4 * kValueStride;
  static constexpr int kScoreTiles = Few ? 2 : 8;
  static constexpr int kOwnTiles = Few ? (kTiles + 3) / 4 : kTiles;
  /// Planes of queries that are registers; more than these would not fit beside the sums of a warp that has all channels.
  static constexpr int kHeld = Few ? Planes : 1;

  const AttentionRows& a;
  const AttentionTask& task;
  std::uint32_t *keys, *values;  // [planes][keys][stride], [planes][fours of keys][stride]
  Words4* operands;  // of few pairs the weights [steps][planes][lanes], else queries [steps][threads]
  float* maxima;     // of few pairs: [warps][rows]

  LA_DEVICE int size() const { return Size ? Size : a.size; }
  LA_DEVICE int row() const { return key_row(size()); }
  LA_DEVICE static float within(float x) { return Planes == 1 ? within_half(x) : x; }
  LA_DEVICE int tile(int own) const { return Few ? own * 4 + warp() : own; }

  LA_DEVICE const std::uint16_t* page(int index) const {
    return reinterpret_cast<const std::uint16_t*>(task.pages[index]) + a.layer_offset +
           i64(task.kv_head) * 2 * Planes * kPageKeys * row();
  }
  /// A page's keys to shared memory, in the background.
  LA_DEVICE void copy_keys(int index) const {
    const int chunks = row() / 8;
    const std::uint16_t* from = page(index);
    for (int e = thread_index(); e < Planes * kPageKeys * chunks; e += kThreads) {
      const int key = e / chunks, chunk = e % chunks;
      copy_async<16>(
          keys + (key / kPageKeys * kPageKeys + key_place(key % kPageKeys)) * kKeyStride + 4 * chunk,
          from + 8 * e);
    }
    commit_copies();
  }
  LA_DEVICE void copy_values(int index) const {
    const int chunks = row() / 2;
    const std::uint16_t* from = page(index) + Planes * kPageKeys * row();
    for (int e = thread_index(); e < Planes * (kPageKeys / 4) * chunks; e += kThreads)
      copy_async<16>(values + e / chunks * kValueStride + 4 * (e % chunks), from + 8 * e);
    commit_copies();
  }
  /// Channels behind the last one, in the last step of 16.
  LA_DEVICE void clear_key_ends() const {
    if (row() % 16 == 0) return;
    for (int key = thread_index(); key < Planes * kPageKeys; key += kThreads)
      *reinterpret_cast<Words4*>(keys + key * kKeyStride + row() / 2) = Words4{0, 0, 0, 0};
  }

  /// s = q k of tiles of 8 keys, this warp's.
  LA_DEVICE void score(const RowOperand (&q)[kSteps][kHeld], float (&s)[kScoreTiles][4]) const {
    const int l = lane(), first = Few ? 2 * warp() : 0;
    LA_UNROLL
    for (int step = 0; step < kSteps; ++step) {
      if (Size == 0 && step * 16 >= size()) break;
      RowOperand x[Planes];
      LA_UNROLL
      for (int plane = 0; plane < Planes; ++plane)
        x[plane] = plane < kHeld ? q[step][plane < kHeld ? plane : 0]
                                 : operand_of(operands[step * kThreads + thread_index()]);
      LA_UNROLL
      for (int j = 0; j < kScoreTiles; ++j)
        multiply_planes(s[j], x, keys + ((first + j) * 8 + l / 4) * kKeyStride + 8 * step + 2 * (l % 4),
                        kKeyPlane);
    }
  }

  /// Scores of keys that the row does not see become -inf.
  LA_DEVICE void hide(const KeyMask& mask, int row_of_lane, int first_key, float (&s)[kScoreTiles][4]) const {
    if (first_key + kPageKeys <= mask.prefix) return;
    const int first = first_key + (Few ? 16 * warp() : 0) + 4 * (lane() % 4);
    LA_UNROLL
    for (int j = 0; j < kScoreTiles; ++j) LA_UNROLL
    for (int i = 0; i < 2; ++i)
      if (!sees(mask, first + j / 2 * 16 + j % 2 * 2 + i)) s[j][2 * row_of_lane + i] = -__builtin_inff();
  }

  /// Largest score of a page for rows g and g + 8.
  LA_DEVICE void largest(const float (&s)[kScoreTiles][4], float (&max)[2]) const {
    LA_UNROLL
    for (int r = 0; r < 2; ++r) {
      float m = s[0][2 * r];
      LA_UNROLL
      for (int j = 0; j < kScoreTiles; ++j) LA_UNROLL
      for (int i = 0; i < 2; ++i) m = larger(m, s[j][2 * r + i]);
      m = larger(m, shuffle_xor(m, 1));
      max[r] = larger(m, shuffle_xor(m, 2));
    }
    if constexpr (Few) {
      const int g = lane() / 4;
      if (lane() % 4 == 0) {
        maxima[warp() * 16 + g] = max[0];
        maxima[warp() * 16 + g + 8] = max[1];
      }
      sync_block();
      LA_UNROLL
      for (int w = 0; w < 4; ++w) LA_UNROLL
      for (int r = 0; r < 2; ++r) max[r] = larger(max[r], maxima[w * 16 + g + 8 * r]);
    }
  }

  /// p = 2^(s - max): of few pairs each warp's, for the others in shared memory.
  LA_DEVICE void weigh(float (&s)[kScoreTiles][4], const float (&max)[2],
                       RowOperand (&p)[kPageSteps][Planes]) const {
    const float from[2] = {max[0] == -__builtin_inff() ? 0.0f : max[0],
                           max[1] == -__builtin_inff() ? 0.0f : max[1]};
    LA_UNROLL
    for (int step = 0; step < kScoreTiles / 2; ++step) {
      float row[2][4];
      LA_UNROLL
      for (int r = 0; r < 2; ++r) LA_UNROLL
      for (int i = 0; i < 4; ++i) row[r][i] = power_of_two(s[2 * step + i / 2][2 * r + i % 2] - from[r]);
      take_rows(row[0], row[1], p[step]);
    }
    if constexpr (Few) LA_UNROLL
    for (int plane = 0; plane < Planes; ++plane)
      operands[(warp() * Planes + plane) * kLanes + lane()] = words_of(p[0][plane]);
  }
  LA_DEVICE void take_weights(RowOperand (&p)[kPageSteps][Planes]) const {
    LA_UNROLL
    for (int step = 0; step < kPageSteps; ++step) LA_UNROLL
    for (int plane = 0; plane < Planes; ++plane)
      p[step][plane] = operand_of(operands[(step * Planes + plane) * kLanes + lane()]);
  }

  /// The page's sums of values and of weights join those of the pages before.
  LA_DEVICE void add_values(const RowOperand (&p)[kPageSteps][Planes], const float (&max)[2],
                            float (&sums)[kOwnTiles][4], PartState (&state)[2]) const {
    float old[2], own[2], total[4] = {};
    LA_UNROLL
    for (int r = 0; r < 2; ++r) {
      const float top = larger(state[r].max, max[r]);
      old[r] = rescale_power(state[r].max, top);
      own[r] = rescale_power(max[r], top);
      state[r].max = top;
    }
    LA_UNROLL
    for (int step = 0; step < kPageSteps; ++step) add_up(total, p[step]);
    LA_UNROLL
    for (int r = 0; r < 2; ++r)
      state[r].total = __builtin_fmaf(state[r].total, old[r], total[2 * r] * own[r]);
    const std::uint32_t* from = values + lane() % 4 * kValueStride + 2 * (lane() / 4);
    LA_UNROLL
    for (int n = 0; n < kOwnTiles; ++n) {
      if ((Size == 0 || Few) && tile(n) * 8 >= size()) continue;
      float sum[4] = {};
      LA_UNROLL
      for (int step = 0; step < kPageSteps; ++step)
        multiply_planes(sum, p[step], from + 4 * step * kValueStride + 16 * tile(n), kValuePlane);
      LA_UNROLL
      for (int i = 0; i < 4; ++i) sums[n][i] = __builtin_fmaf(sums[n][i], old[i / 2], sum[i] * own[i / 2]);
    }
  }

  /// What rows g and g + 8 of the warp's products are.
  struct Pair {
    bool there;
    i64 token, head;
  };
  LA_DEVICE Pair pair_at(int i) const {
    const int at = task.first + (i < task.count ? i : 0);
    return {i < task.count, task.begin + at / a.group, i64(task.kv_head) * a.group + at % a.group};
  }
  LA_DEVICE Pair pair(int r) const { return pair_at((Few ? 0 : 16 * warp()) + lane() / 4 + 8 * r); }
  LA_DEVICE float* part_of(const Pair& row, i64 index) const {
    return a.partial + ((row.token * a.heads + row.head) * a.parts + index) * tensor_part_floats(size());
  }

  /// Whether this block is the last of its task's: all parts are there then.
  LA_DEVICE bool is_last() const {
    std::uint32_t* last = keys;  // which all have used
    sync_block();                // the block's part is written
    if (thread_index() == 0) {
      fence_device();
      *last = count_around(a.ended + block_index_x(), std::uint32_t(a.parts - 1));
      fence_device();
    }
    sync_block();
    return *last == std::uint32_t(a.parts - 1);
  }

  /// Puts the pages of each row together, in their order: half a warp a row, eight channels a lane.
  LA_DEVICE void merge() const {
    constexpr int kLanesARow = 16, kAhead = 8;  // pages on their way at a time
    const int d = thread_index() % kLanesARow * 8;
    for (int i = thread_index() / kLanesARow; i < task.count; i += kThreads / kLanesARow) {
      const Pair row = pair_at(i);
      const KeyMask mask = a.visible[row.token];
      const int pages = (end_of(mask) + kPageKeys - 1) / kPageKeys;
      PartState all;
      float sum[8] = {};
      for (int first = 0; first < pages; first += kAhead) {
        EightFloats value[kAhead];
        PartState own[kAhead];
        LA_UNROLL
        for (int k = 0; k < kAhead; ++k) {
          const int p = first + k;
          value[k] = {};
          if (p >= pages || !sees_any(mask, p * kPageKeys, (p + 1) * kPageKeys)) continue;
          const float* part = part_of(row, p);
          if (d < this->row()) value[k] = *reinterpret_cast<const EightFloats*>(part + d);
          own[k] = *reinterpret_cast<const PartState*>(part + this->row());
        }
        LA_UNROLL
        for (int k = 0; k < kAhead; ++k) {
          const float top = larger(all.max, own[k].max);
          const float old = rescale_power(all.max, top), now = rescale_power(own[k].max, top);
          LA_UNROLL
          for (int c = 0; c < 8; ++c) sum[c] = __builtin_fmaf(sum[c], old, value[k].v[c] * now);
          all.total = __builtin_fmaf(all.total, old, own[k].total * now);
          all.max = top;
        }
      }
      float* to = a.out + row.token * a.out_stride + row.head * a.out_head_stride;
      LA_UNROLL
      for (int c = 0; c < 8; ++c)
        if (d + c < size()) to[d + c] = finished(sum[c], all.total);
    }
  }

  LA_DEVICE void run() const {
    const int t = lane() % 4;
    KeyMask mask[2];
    LA_UNROLL
    for (int r = 0; r < 2; ++r) {
      const Pair row = pair(r);
      mask[r] = row.there ? a.visible[row.token] : KeyMask{0, 0, 0};
    }

    // All threads go the same way: what any of the block's rows sees.
    int end = 0;
    for (int i = task.first / a.group; i <= (task.first + task.count - 1) / a.group; ++i) {
      const int own = end_of(a.visible[task.begin + i]);
      end = own > end ? own : end;
    }
    const int pages = (end + kPageKeys - 1) / kPageKeys;
    const int first = a.partial ? block_index_y() : 0, last = a.partial && first < pages ? first + 1 : pages;

    clear_key_ends();
    if (first < last) copy_keys(first);
    RowOperand q[kSteps][kHeld];
    const Pair low = pair(0), high = pair(1);
    const float* from_low = a.q + low.token * a.q_stride + low.head * a.q_head_stride;
    const float* from_high = a.q + high.token * a.q_stride + high.head * a.q_head_stride;
    LA_UNROLL
    for (int step = 0; step < kSteps; ++step) {
      float row[2][4];
      LA_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int d = step * 16 + 4 * t + i;
        row[0][i] = low.there && d < size() ? within(from_low[d] * a.scale) : 0.0f;
        row[1][i] = high.there && d < size() ? within(from_high[d] * a.scale) : 0.0f;
      }
      RowOperand x[Planes];
      take_rows(row[0], row[1], x);
      LA_UNROLL
      for (int plane = 0; plane < Planes; ++plane)
        if (plane < kHeld)
          q[step][plane < kHeld ? plane : 0] = x[plane];
        else
          operands[step * kThreads + thread_index()] = words_of(x[plane]);
    }

    float sums[kOwnTiles][4] = {};
    PartState state[2];
    const bool busy = Few || 16 * warp() < task.count;
    for (int index = first; index < last; ++index) {
      wait_copies<0>();
      sync_block();  // the keys are there, and the values of the page before are used
      copy_values(index);
      float s[kScoreTiles][4] = {}, max[2];
      RowOperand p[kPageSteps][Planes];
      if (busy) {
        score(q, s);
        LA_UNROLL
        for (int r = 0; r < 2; ++r) hide(mask[r], r, index * kPageKeys, s);
        largest(s, max);
        weigh(s, max, p);
      }
      wait_copies<0>();
      sync_block();  // the values are there, and so are the weights of few pairs; the keys are used
      if (index + 1 < last) copy_keys(index + 1);
      if constexpr (Few) take_weights(p);
      if (busy) add_values(p, max, sums, state);
    }

    LA_UNROLL
    for (int r = 0; r < 2; ++r) {
      const Pair row = pair(r);
      if (!row.there) continue;
      float* to = a.out + row.token * a.out_stride + row.head * a.out_head_stride;
      if (a.partial) {
        if (first >= last || !sees_any(mask[r], first * kPageKeys, last * kPageKeys)) continue;
        to = part_of(row, first);
        if (t == 0 && (!Few || warp() == 0)) *reinterpret_cast<PartState*>(to + this->row()) = state[r];
      }
      const int width = a.partial ? this->row() : size();
      LA_UNROLL
      for (int n = 0; n < kOwnTiles; ++n) LA_UNROLL
      for (int i = 0; i < 2; ++i) {
        const int d = 8 * tile(n) + 2 * t + i;
        if (d >= width) continue;
        const float sum = sums[n][2 * r + i];
        to[d] = a.partial ? sum : finished(sum, state[r].total);
      }
    }
    if (a.partial && is_last()) merge();
  }
};

/// The sizes of the models that there are have code of their own, without a branch in their products.
template <int Planes, int Most, bool Few>
LA_DEVICE inline void attention_tensor(const AttentionRows& a) {
  wait_for_launches();
  const AttentionTask task = a.tasks[block_index_x()];
  auto* keys = shared_memory<std::uint32_t>();
  auto* values = keys + Planes * kPageKeys * tensor_key_words(Most);
  auto* operands = reinterpret_cast<Words4*>(values + Planes * kPageKeys / 4 * tensor_value_words(Most));
  auto* maxima = reinterpret_cast<float*>(operands + kPageSteps * Planes * kLanes);
  if (a.size == Most)
    TensorAttention<Planes, Most, Most, Few>{a, task, keys, values, operands, maxima}.run();
  else
    TensorAttention<Planes, Most, 0, Few>{a, task, keys, values, operands, maxima}.run();
}

/// Precision::usual and high; of 16 and of 64 pairs a block.    grid: (tasks, pages or 1)
LA_KERNEL LA_MAX_THREADS(128) void attention_few_usual(AttentionRows a) {
  attention_tensor<1, kUsualHeadSize, true>(a);
}
LA_KERNEL LA_MAX_THREADS(128) void attention_many_usual(AttentionRows a) {
  attention_tensor<1, kUsualHeadSize, false>(a);
}
LA_KERNEL LA_MAX_THREADS(128) void attention_few_high(AttentionRows a) {
  attention_tensor<2, kMaxHeadSize, true>(a);
}
LA_KERNEL LA_MAX_THREADS(128) void attention_many_high(AttentionRows a) {
  attention_tensor<2, kMaxHeadSize, false>(a);
}

}  // namespace la::inline LA_ABI::kernels::cuda
