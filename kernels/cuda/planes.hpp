#pragma once

#include "arguments.hpp"
#include "device.hpp"

// Keys and values in pages of planes (KvPages): where a number lies, and how it is written.
namespace la::inline LA_ABI::kernels::cuda {

/// Halves end at 65504: what is larger becomes that.
LA_DEVICE inline float within_half(float x) {
  return x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x;
}

/// The planes of a layer's page, for heads of so many values.
struct PlanesOfPage {
  std::uint16_t* layer;
  int size, planes;

  LA_DEVICE i64 plane() const { return i64(kPageKeys) * key_row(size); }
  /// Of value d of the key in a slot of the page, the first plane's.
  LA_DEVICE std::uint16_t* key(i64 head, int slot, int d) const {
    return layer + head * 2 * planes * plane() + slot * key_row(size) + d;
  }
  LA_DEVICE std::uint16_t* value(i64 head, int slot, int d) const {
    return layer + (2 * head + 1) * planes * plane() + (slot / 4 * key_row(size) + d) * 4 + slot % 4;
  }
  /// A number, and in the planes behind the first what those before lack.
  LA_DEVICE void write(std::uint16_t* to, float x) const {
    if (planes == 1) {
      *to = std::uint16_t(to_half_pair(within_half(x), 0));
      return;
    }
    for (int p = 0; p < planes; ++p, to += plane()) {
      const std::uint32_t bits = to_bf16_pair(x, 0);
      *to = std::uint16_t(bits);
      x -= low_value(bits);
    }
  }
};

/// Where token `token` of a sequence has its keys and values.
LA_DEVICE inline PlanesOfPage planes_of(const std::uint64_t* pages, i64 token, i64 layer_offset, int size,
                                        int planes) {
  return {reinterpret_cast<std::uint16_t*>(pages[token / kPageKeys]) + layer_offset, size, planes};
}

/// Keys and values to pages of planes.    grid: tokens
LA_KERNEL void kv_write_tensor(KvWrite a) {
  wait_for_launches();
  const int token = a.first + block_index_x(), slot = token % kPageKeys;
  const i64 t = block_index_x();
  const PlanesOfPage page = planes_of(a.to.pages, token, a.to.layer_offset, a.size, a.planes);
  for (int e = thread_index(); e < a.heads * a.size; e += block_size()) {
    const int g = e / a.size, d = e % a.size;
    page.write(page.key(g, slot, d), a.k[t * a.k_stride + g * a.k_head_stride + d]);
    page.write(page.value(g, slot, d), a.v[t * a.v_stride + g * a.v_head_stride + d]);
  }
}

}  // namespace la::inline LA_ABI::kernels::cuda
