#pragma once

#include "arguments.hpp"
#include "device.hpp"

// A picture's bytes on their way to patches. Whole numbers and a table: the bits are the host's.
namespace la::inline LA_ABI::kernels::cuda {

LA_DEVICE inline std::uint8_t to_pixel(std::int32_t sum) {
  sum >>= kPixelBits;
  return std::uint8_t(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/// A thread a pixel.
LA_KERNEL void resize_rows(ResizePass a) {
  wait_for_launches();
  const i64 row = block_index_x() / a.blocks;
  const int column = block_index_x() % a.blocks * block_size() + thread_index();
  if (column >= a.width) return;
  const TapRange taps = a.ranges[column];
  const std::uint8_t* x = a.x + (row * a.inputs + taps.first) * 3;
  const std::int32_t* weight = a.weights + column;
  std::int32_t r = 1 << (kPixelBits - 1), g = r, b = r;
  for (int t = 0; t < taps.count; ++t, x += 3, weight += a.width) {
    r += x[0] * *weight;
    g += x[1] * *weight;
    b += x[2] * *weight;
  }
  std::uint8_t* y = a.y + (row * a.width + column) * 3;
  y[0] = to_pixel(r);
  y[1] = to_pixel(g);
  y[2] = to_pixel(b);
}

/// A thread a byte.
LA_KERNEL void resize_columns(ResizePass a) {
  wait_for_launches();
  const i64 row = block_index_x() / a.blocks, bytes = i64(3) * a.width;
  const i64 at = i64(block_index_x() % a.blocks) * block_size() + thread_index();
  if (at >= bytes) return;
  const TapRange taps = a.ranges[row];
  const std::uint8_t* x = a.x + taps.first * bytes + at;
  const std::int32_t* weight = a.weights + row;
  std::int32_t sum = 1 << (kPixelBits - 1);
  for (int t = 0; t < taps.count; ++t, x += bytes, weight += a.height) sum += *x * *weight;
  a.y[row * bytes + at] = to_pixel(sum);
}

LA_KERNEL void patch_rows(PatchRows a) {
  wait_for_launches();
  const int patch = a.first + block_index_x(), area = a.size * a.size;
  const i64 row_bytes = i64(3) * a.grid_w * a.size;
  const std::uint8_t* corner =
      a.pixels + patch / a.grid_w * a.size * row_bytes + i64(patch % a.grid_w) * a.size * 3;
  float* y = a.y + block_index_x() * a.y_stride;
  for (int i = thread_index(); i < 3 * area; i += block_size()) {
    const int channel = i / area, row = i % area / a.size, column = i % a.size;
    y[i] = a.table[256 * channel + corner[row * row_bytes + 3 * column + channel]];
  }
}

}  // namespace la::inline LA_ABI::kernels::cuda
