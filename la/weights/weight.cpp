#include "weight.hpp"

#include "../core/error.hpp"

namespace la::inline LA_ABI {

LA_INLINE std::string_view name_of(WeightFormat weights) noexcept {
  switch (weights) {
    case WeightFormat::f32:
      return "f32";
    case WeightFormat::bf16:
      return "bf16";
    case WeightFormat::q8:
      return "q8";
    case WeightFormat::q4:
      return "q4";
    case WeightFormat::auto_:
      break;
  }
  return "auto";
}

LA_INLINE std::string_view name_of(ActivationFormat activations) noexcept {
  switch (activations) {
    case ActivationFormat::f32:
      return "f32";
    case ActivationFormat::q8:
      return "q8";
    case ActivationFormat::auto_:
      break;
  }
  return "auto";
}

LA_INLINE WeightFormat parse_weight_format(std::string_view name) {
  for (WeightFormat w :
       {WeightFormat::auto_, WeightFormat::f32, WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4})
    if (name == name_of(w)) return w;
  fail_usage("--weights: expected auto, f32, bf16, q8 or q4, found '", name, "'");
}

LA_INLINE ActivationFormat parse_activation_format(std::string_view name) {
  for (ActivationFormat a : {ActivationFormat::auto_, ActivationFormat::f32, ActivationFormat::q8})
    if (name == name_of(a)) return a;
  fail_usage("--activations: expected auto, f32 or q8, found '", name, "'");
}

}  // namespace la::inline LA_ABI
