#pragma once

#include "weight_values.hpp"

// What moves rows or works on a row by itself.
namespace la::inline LA_ABI::kernels::cuda {

/// The sum over the threads of a block, in an order that depends on their number alone. shared: a float a thread
LA_DEVICE inline float block_sum(float value, float* shared) {
  sync_block();  // the memory may still be read from the sum before
  shared[thread_index()] = value;
  for (int half = block_size() / 2; half > 0; half /= 2) {
    sync_block();
    if (thread_index() < half) shared[thread_index()] += shared[thread_index() + half];
  }
  sync_block();
  return shared[0];
}

LA_DEVICE inline float block_max(float value, float* shared) {
  sync_block();
  shared[thread_index()] = value;
  for (int half = block_size() / 2; half > 0; half /= 2) {
    sync_block();
    if (thread_index() < half && shared[thread_index() + half] > shared[thread_index()])
      shared[thread_index()] = shared[thread_index() + half];
  }
  sync_block();
  return shared[0];
}

/// grid: rows of Y
LA_KERNEL void embedding(Embedding a) {
  wait_for_launches();
  i64 row = a.ids[block_index_x()];
  if (a.summaries) {
    row = i64(a.summaries[row * a.summary_stride]);
    if (row < 0) row = 0;
  }
  const int shares = int(steps_of(a.weight.inputs)) * 4;
  for (int e = thread_index(); e < shares; e += block_size()) {
    float values[8];
    eight_weights(a.weight, row / kTile, e / 4, int(row % kTile) * 4 + e % 4, values);
    for (int i = 0; i < 8; ++i)
      if (e * 8 + i < a.weight.inputs) a.y[block_index_x() * a.y_stride + e * 8 + i] = values[i];
  }
}

/// grid: rows of Y
LA_KERNEL void gather(Gather a) {
  wait_for_launches();
  const float* from = a.x + a.rows[block_index_x()] * a.x_stride;
  float* to = a.y + block_index_x() * a.y_stride;
  for (int c = thread_index(); c < a.columns; c += block_size()) to[c] = from[c];
}

/// y = (x - mean) / sqrt(var + eps) * weight + bias.    grid: rows
LA_KERNEL void layer_norm(Norm a) {
  wait_for_launches();
  float* shared = shared_memory<float>();
  const float* x = a.x + block_index_x() * a.x_stride;
  float* y = a.y + block_index_x() * a.y_stride;
  float sum = 0, square = 0;
  for (int c = thread_index(); c < a.columns; c += block_size()) sum += x[c];
  const float mean = block_sum(sum, shared) / float(a.columns);
  for (int c = thread_index(); c < a.columns; c += block_size())
    square = __builtin_fmaf(x[c] - mean, x[c] - mean, square);
  const float scale = 1.0f / square_root(block_sum(square, shared) / float(a.columns) + a.eps);
  for (int c = thread_index(); c < a.columns; c += block_size())
    y[c] = __builtin_fmaf((x[c] - mean) * scale, a.weight[c], a.bias[c]);
}

/// y = x / sqrt(mean(x^2) + eps) * weight.    grid: rows
LA_KERNEL void rms_norm(Norm a) {
  wait_for_launches();
  float* shared = shared_memory<float>();
  const float* x = a.x + block_index_x() * a.x_stride;
  float* y = a.y + block_index_x() * a.y_stride;
  float square = 0;
  for (int c = thread_index(); c < a.columns; c += block_size()) square = __builtin_fmaf(x[c], x[c], square);
  const float scale = 1.0f / square_root(block_sum(square, shared) / float(a.columns) + a.eps);
  for (int c = thread_index(); c < a.columns; c += block_size()) y[c] = x[c] * scale * a.weight[c];
}

/// grid: tokens
LA_KERNEL void rope(RopeTurn a) {
  wait_for_launches();
  const i64 t = block_index_x();
  const int half = a.size / 2;
  for (int e = thread_index(); e < a.heads * half; e += block_size()) {
    const int p = e % half;
    float* head = a.x + t * a.x_stride + e / half * a.head_stride;
    float& first = head[a.interleaved ? 2 * p : p];
    float& second = head[a.interleaved ? 2 * p + 1 : p + half];
    const float u = first, v = second, c = a.cos[t * a.cos_stride + p], s = a.sin[t * a.sin_stride + p];
    first = u * c - v * s;
    second = u * s + v * c;
  }
}

/// x / 2 (1 + tanh u) = x / (1 + exp(-2 u))
LA_DEVICE inline float gelu_tanh_of(float x) {
  const float inner = -2 * 0.7978845608f * __builtin_fmaf(0.044715f * x * x, x, x);
  return x / (1.0f + exponential(inner));
}
LA_DEVICE inline float gelu_erf_of(float x) {
  return x * 0.5f * (1.0f + error_function(x * 0.7071067812f));
}
LA_DEVICE inline float swiglu_of(float gate, float up) {
  return gate / (1.0f + exponential(-gate)) * up;
}

/// grid: (rows, blocks of columns)
LA_KERNEL void elementwise(Elementwise a) {
  wait_for_launches();
  const int c = block_index_y() * block_size() + thread_index();
  if (c >= a.columns) return;
  const float* from = a.x + block_index_x() * a.x_stride;
  float& to = a.y[block_index_x() * a.y_stride + c];
  if (a.activation == Activation::gelu_tanh) to = gelu_tanh_of(from[c]);
  if (a.activation == Activation::gelu_erf) to = gelu_erf_of(from[c]);
  if (a.activation == Activation::swiglu) to = swiglu_of(from[c], a.up[block_index_x() * a.x_stride + c]);
}

/// The largest so far, falling, the lower id first among equals.
struct Largest {
  float value[kSummaryBest];
  int id[kSummaryBest];

  LA_DEVICE void clear() {
    LA_UNROLL
    for (int i = 0; i < kSummaryBest; ++i) {
      value[i] = -1.0f;  // below every probability
      id[i] = -1;
    }
  }
  /// Takes a value in, if it is one of them.
  LA_DEVICE void take(float v, int from) {
    LA_UNROLL
    for (int i = 0; i < kSummaryBest; ++i) {
      if (!(v > value[i] || (v == value[i] && from < id[i]))) continue;
      const float old_value = value[i];
      const int old_id = id[i];
      value[i] = v;
      id[i] = from;
      v = old_value;
      from = old_id;
    }
  }
  LA_DEVICE void store(float* values, int* ids, int at) const {
    LA_UNROLL
    for (int i = 0; i < kSummaryBest; ++i) {
      values[at * kSummaryBest + i] = value[i];
      ids[at * kSummaryBest + i] = id[i];
    }
  }
  LA_DEVICE void take_stored(const float* values, const int* ids, int at) {
    for (int i = 0; i < kSummaryBest; ++i) take(values[at * kSummaryBest + i], ids[at * kSummaryBest + i]);
  }
};

/// grid: rows
LA_KERNEL void summarize(Summarize a) {
  wait_for_launches();
  float* shared = shared_memory<float>();
  float* x = a.x + block_index_x() * a.x_stride;
  float max = -__builtin_inff(), sum = 0;
  for (int c = thread_index(); c < a.columns; c += block_size()) max = x[c] > max ? x[c] : max;
  max = block_max(max, shared);
  if (max == -__builtin_inff()) max = 0;
  for (int c = thread_index(); c < a.columns; c += block_size()) sum += x[c] = exponential(x[c] - max);
  sum = block_sum(sum, shared);
  Largest best;
  best.clear();
  for (int c = thread_index(); c < a.columns; c += block_size()) {
    const float p = sum == 0 ? 0.0f : x[c] / sum;
    x[c] = p;
    best.take(p, c);
  }
  // Lists of all threads become 32, and these one.
  float* values = shared;
  int* ids = reinterpret_cast<int*>(shared + kSummaryBest * block_size());
  sync_block();  // the sum is read
  best.store(values, ids, thread_index());
  sync_block();
  const int lists = block_size() / kLanes;
  if (thread_index() < kLanes)
    for (int i = 1; i < lists; ++i) best.take_stored(values, ids, thread_index() + i * kLanes);
  sync_block();
  if (thread_index() < kLanes) best.store(values, ids, thread_index());
  sync_block();
  float* y = a.y + block_index_x() * a.y_stride;
  if (thread_index() == 0) {
    for (int i = 1; i < kLanes; ++i) best.take_stored(values, ids, i);
    LA_UNROLL
    for (int i = 0; i < kSummaryBest; ++i) {
      y[i] = float(best.id[i]);
      y[kSummaryBest + i] = best.value[i];
    }
  }
  for (int i = thread_index(); i < a.count; i += block_size()) y[2 * kSummaryBest + i] = x[a.ids[i]];
}

/// grid: (rows x columns of Y, blocks of channels)
LA_KERNEL void bicubic(Bicubic a) {
  wait_for_launches();
  const int c = block_index_y() * block_size() + thread_index();
  if (c >= a.channels) return;
  const i64 i = block_index_x() / a.width, j = block_index_x() % a.width;
  const Taps &rows = a.rows[i], &columns = a.columns[j];
  float sum = 0;
  for (int p = 0; p < 4; ++p)
    for (int q = 0; q < 4; ++q)
      sum =
          __builtin_fmaf(rows.weight[p] * columns.weight[q],
                         a.grid[rows.index[p] * a.row_stride + columns.index[q] * a.column_stride + c], sum);
  a.y[i * a.y_row_stride + j * a.y_column_stride + c] = sum;
}

}  // namespace la::inline LA_ABI::kernels::cuda
