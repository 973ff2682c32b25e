#include "weight.hpp"

#include "../core/error.hpp"

namespace la {

LA_INLINE std::string_view name_of(Weights weights) noexcept {
  switch (weights) {
    case Weights::f32: return "f32";
    case Weights::bf16: return "bf16";
    case Weights::q8: return "q8";
    case Weights::q4: return "q4";
    case Weights::auto_: break;
  }
  return "auto";
}

LA_INLINE std::string_view name_of(Activations activations) noexcept {
  switch (activations) {
    case Activations::f32: return "f32";
    case Activations::q8: return "q8";
    case Activations::auto_: break;
  }
  return "auto";
}

LA_INLINE Weights parse_weights(std::string_view name) {
  for (Weights w : {Weights::auto_, Weights::f32, Weights::bf16, Weights::q8, Weights::q4})
    if (name == name_of(w)) return w;
  fail_usage("--weights: expected auto, f32, bf16, q8 or q4, found '", name, "'");
}

LA_INLINE Activations parse_activations(std::string_view name) {
  for (Activations a : {Activations::auto_, Activations::f32, Activations::q8})
    if (name == name_of(a)) return a;
  fail_usage("--activations: expected auto, f32 or q8, found '", name, "'");
}

}  // namespace la
