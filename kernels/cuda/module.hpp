#pragma once

#include "attention_exact.hpp"
#include "attention_tensor.hpp"
#include "blocks.hpp"
#include "image.hpp"
#include "linear_exact.hpp"
#include "linear_tensor.hpp"
#include "repack.hpp"
#include "rows.hpp"

/// Every kernel by its name, and what it takes.
#define LA_CUDA_KERNELS(KERNEL)               \
  KERNEL(repack, Repack)                      \
  KERNEL(linear_exact_few, Linear)            \
  KERNEL(linear_exact_many, Linear)           \
  KERNEL(linear_few_bf16, Linear)             \
  KERNEL(linear_many_bf16, Linear)            \
  KERNEL(linear_few_q8, Linear)               \
  KERNEL(linear_many_q8, Linear)              \
  KERNEL(linear_few_q4_g128, Linear)          \
  KERNEL(linear_many_q4_g128, Linear)         \
  KERNEL(linear_few_q4_g32, Linear)           \
  KERNEL(linear_many_q4_g32, Linear)          \
  KERNEL(normed_few_bf16, NormedLinear)       \
  KERNEL(normed_many_bf16, NormedLinear)      \
  KERNEL(normed_few_q8, NormedLinear)         \
  KERNEL(normed_many_q8, NormedLinear)        \
  KERNEL(normed_few_q4_g128, NormedLinear)    \
  KERNEL(normed_many_q4_g128, NormedLinear)   \
  KERNEL(normed_few_q4_g32, NormedLinear)     \
  KERNEL(normed_many_q4_g32, NormedLinear)    \
  KERNEL(embedding, Embedding)                \
  KERNEL(gather, Gather)                      \
  KERNEL(layer_norm, Norm)                    \
  KERNEL(rms_norm, Norm)                      \
  KERNEL(rope, RopeTurn)                      \
  KERNEL(elementwise, Elementwise)            \
  KERNEL(summarize, Summarize)                \
  KERNEL(follow_blocks, FollowBlocks)         \
  KERNEL(bicubic, Bicubic)                    \
  KERNEL(resize_rows, ResizePass)             \
  KERNEL(resize_columns, ResizePass)          \
  KERNEL(patch_rows, PatchRows)               \
  KERNEL(kv_write, KvWrite)                   \
  KERNEL(attention_exact, AttentionRows)      \
  KERNEL(attention_merge, AttentionRows)      \
  KERNEL(attention_few_usual, AttentionRows)  \
  KERNEL(attention_many_usual, AttentionRows) \
  KERNEL(attention_few_high, AttentionRows)   \
  KERNEL(attention_many_high, AttentionRows)  \
  KERNEL(kv_write_tensor, KvWrite)
