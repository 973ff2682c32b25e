#pragma once

#include "arguments.hpp"
#include "device.hpp"

// Weights in the order of the lanes: where one lies, and what it is worth.
namespace la::inline LA_ABI::kernels::cuda {

/// IEEE half to float, exact. The magnitude's bits, shifted into place, miss only the difference of the exponent biases;
/// infinity and NaN need their exponent filled.
LA_DEVICE inline float widen_half(std::uint32_t h) {
  const std::uint32_t magnitude = (h & 0x7fffu) << 13;
  const std::uint32_t bits =
      __builtin_bit_cast(std::uint32_t, __builtin_bit_cast(float, magnitude) * 0x1p112f);
  return __builtin_bit_cast(float,
                            bits | (magnitude >= 0x0f800000u ? 0x7f800000u : 0u) | (h & 0x8000u) << 16);
}

LA_DEVICE inline float widen_bf16(std::uint32_t h) {
  return __builtin_bit_cast(float, h << 16);
}

/// Eight weights of an output: inputs 32 step + 8 t .. + 7 of output 8 tile + g, g = lane / 4, t = lane % 4.
LA_DEVICE inline void eight_weights(const WeightView& w, i64 tile, i64 step, int lane, float (&out)[8]) {
  const i64 groups = groups_of(w.inputs), group = step / 4;
  const int s = int(step % 4), g = lane / 4;
  switch (w.format) {
    case PanelFormat::f32: {
      const auto* p =
          static_cast<const float*>(w.codes) + ((tile * steps_of(w.inputs) + step) * kLanes + lane) * 8;
      LA_UNROLL
      for (int i = 0; i < 8; ++i) out[i] = p[i];
      return;
    }
    case PanelFormat::bf16: {
      const auto* p = static_cast<const std::uint16_t*>(w.codes) +
                      ((tile * steps_of(w.inputs) + step) * kLanes + lane) * 8;
      LA_UNROLL
      for (int i = 0; i < 8; ++i) out[i] = widen_bf16(p[i]);
      return;
    }
    case PanelFormat::q8: {
      const auto* p = static_cast<const std::uint8_t*>(w.codes) +
                      (((tile * groups + group) * 2 + s / 2) * kLanes + lane) * 16 + s % 2 * 8;
      const float scale = static_cast<const float*>(w.scales)[(tile * groups + group) * kTile + g];
      LA_UNROLL
      for (int i = 0; i < 8; ++i) out[i] = scale * float(int(p[q8_place(i)]) - 128);
      return;
    }
    case PanelFormat::q4_g128:
    case PanelFormat::q4_g32:
      break;
  }
  const int many = scales_a_group(w.format);
  const i64 at = ((tile * groups + group) * kTile + g) * many + (many == 4 ? s : 0);
  const std::uint32_t word =
      static_cast<const std::uint32_t*>(w.codes)[((tile * groups + group) * kLanes + lane) * 4 + s];
  const float scale = widen_half(static_cast<const std::uint16_t*>(w.scales)[at]);
  const int zero = w.zeros[at];
  LA_UNROLL
  for (int p = 0; p < 4; ++p) {
    out[2 * p] = scale * float(int(word >> 4 * p & 15) - zero);
    out[2 * p + 1] = scale * float(int(word >> (4 * p + 16) & 15) - zero);
  }
}

}  // namespace la::inline LA_ABI::kernels::cuda
