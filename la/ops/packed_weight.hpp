#pragma once

#include <span>

#include "../core/inline.hpp"
#include "../core/storage.hpp"
#include "ops.hpp"

namespace la {

/// A weight in panels of 16 outputs, as kernels::Gemm wants it.
class PackedWeight final : public Weight {
 public:
  enum class Format { f32, bf16 };

  /// Packs the stacked parts and gives their file pages back.
  /// format: auto_ keeps BF16 as bf16; F32 and F16, or parts of different types, become f32, which holds all exactly
  static std::unique_ptr<PackedWeight> pack(std::span<const WeightPart> parts, Weights format, int threads);

  PackedWeight(Format format, i64 outputs, i64 inputs);

  Format element_format() const noexcept { return format_; }
  std::string_view format() const noexcept override { return format_ == Format::bf16 ? "bf16" : "f32"; }
  std::size_t bytes() const noexcept override { return panels_.size() + bias_.size(); }
  std::size_t element_size() const noexcept { return format_ == Format::bf16 ? 2 : 4; }
  const float* bias() const noexcept { return bias_.as<const float>(); }
  /// Panels from output column n (a multiple of 16) on.
  const std::byte* panels(i64 n) const noexcept { return panels_.data() + std::size_t(n * inputs()) * element_size(); }
  /// Copies row n, widened.
  void row(i64 n, float* out) const noexcept;

 private:
  Format format_;
  Storage panels_;  // [ceil(N / 16), K, 16]
  Storage bias_;    // [N] or empty
};

}  // namespace la

#if !defined(LA_COMPILED)
#include "packed_weight.cpp"
#endif
