#pragma once

#include <span>

#include "../core/inline.hpp"
#include "../core/storage.hpp"
#include "ops.hpp"

namespace la {

/// The panel layouts of kernels/formats.hpp.
enum class PanelFormat { f32, bf16, q8, q4_g128, q4_g32 };

/// "f32", "bf16", "q8", "q4" (the group size is not part of the name people give)
std::string_view name_of(PanelFormat format) noexcept;
/// Bytes of one panel of 16 outputs and k inputs.
std::size_t panel_bytes(PanelFormat format, i64 k) noexcept;
/// Inputs that share a scale, 0 where each weight stands for itself.
i64 group_size(PanelFormat format) noexcept;

/// A weight in panels of 16 outputs, as the kernels want it.
class PackedWeight final : public Weight {
 public:
  /// Packs the stacked parts and gives their file pages back.
  /// format: auto_ keeps BF16 as bf16; F32 and F16, or parts of different types, become f32, which holds all exactly;
  /// q8 and q4 round each group to nearest, q4 in groups of 32
  static std::unique_ptr<PackedWeight> pack(std::span<const WeightPart> parts, Weights format, int threads);

  PackedWeight(PanelFormat format, i64 outputs, i64 inputs);

  PanelFormat panel_format() const noexcept { return format_; }
  std::string_view format() const noexcept override { return name_of(format_); }
  std::size_t bytes() const noexcept override { return panels_.size() + bias_.size(); }
  const float* bias() const noexcept { return bias_.as<const float>(); }
  /// Panels from output column n (a multiple of 16) on.
  const std::byte* panels(i64 n) const noexcept { return panels_.data() + std::size_t(n / kernels::kPanel) * stride_; }
  /// Copies row n, widened or dequantised.
  void row(i64 n, float* out) const noexcept;

 private:
  PanelFormat format_;
  std::size_t stride_;  // bytes from panel to panel
  Storage panels_;
  Storage bias_;  // [N] or empty
};

}  // namespace la

#if !defined(LA_COMPILED)
#include "packed_weight.cpp"
#endif
