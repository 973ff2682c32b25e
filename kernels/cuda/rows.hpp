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
  const i64 row = a.ids[block_index_x()];
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

/// grid: rows
LA_KERNEL void softmax(Softmax a) {
  wait_for_launches();
  float* shared = shared_memory<float>();
  float* x = a.x + block_index_x() * a.x_stride;
  float max = -__builtin_inff(), sum = 0;
  for (int c = thread_index(); c < a.columns; c += block_size()) max = x[c] > max ? x[c] : max;
  max = block_max(max, shared);
  if (max == -__builtin_inff()) max = 0;
  for (int c = thread_index(); c < a.columns; c += block_size()) sum += x[c] = exponential(x[c] - max);
  sum = block_sum(sum, shared);
  for (int c = thread_index(); c < a.columns; c += block_size()) x[c] = sum == 0 ? 0.0f : x[c] / sum;
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
