#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "../core/inline.hpp"
#include "../core/tensor.hpp"
#include "../io/safetensors.hpp"

namespace la::inline LA_ABI {

/// How the weights of linear layers are held. auto_ keeps what the checkpoint stores.
enum class WeightFormat { auto_, f32, bf16, q8, q4 };

/// What integer weights are multiplied with: activations quantised to 8 bits per row and group on the fly (auto_, q8),
/// or f32 activations and exactly dequantised weights. Float weights always take f32.
enum class ActivationFormat { auto_, f32, q8 };

std::string_view name_of(WeightFormat weights) noexcept;
std::string_view name_of(ActivationFormat activations) noexcept;
/// error: not one of the names (usage)
WeightFormat parse_weight_format(std::string_view name);
ActivationFormat parse_activation_format(std::string_view name);

/// A weight matrix [N, K] with an optional bias [N], in whatever form its backend wants.
class Weight {
 public:
  virtual ~Weight() = default;
  i64 outputs() const noexcept { return outputs_; }
  i64 inputs() const noexcept { return inputs_; }
  /// Bytes held.
  virtual std::size_t bytes() const noexcept = 0;
  /// How it is held: "f32", "bf16", "q8", "q4".
  virtual std::string_view format() const noexcept = 0;

 protected:
  Weight(i64 outputs, i64 inputs) : outputs_(outputs), inputs_(inputs) {}

 private:
  i64 outputs_, inputs_;
};

struct StoredInt4;
struct StoredPanels;

/// How exactly a product, or an attention, takes its activations where a backend rounds them: high keeps about as much as
/// f32 does. A backend that rounds none makes no difference.
enum class Precision { usual, high };

/// Stored rows that become part of a Weight; several parts are stacked in order (q, k and v into one product).
/// One of weight, int4 and panels is given.
struct WeightPart {
  const StoredTensor* weight = nullptr;    ///< floats [n, K]; trailing dimensions are taken together as K
  const StoredTensor* bias = nullptr;      ///< [n] or null
  const StoredInt4* int4 = nullptr;        ///< 4-bit integers of another tool, see stored_int4.hpp
  const StoredPanels* panels = nullptr;    ///< panels of a packed file, see stored_panels.hpp
  Precision precision = Precision::usual;  ///< of the weight that the first part begins
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "weight.cpp"
#endif
