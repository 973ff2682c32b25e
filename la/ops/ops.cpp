#include "ops.hpp"

#include "../core/error.hpp"

namespace la {

LA_INLINE std::string_view name_of(Weights weights) noexcept {
  switch (weights) {
    case Weights::f32: return "f32";
    case Weights::bf16: return "bf16";
    case Weights::auto_: break;
  }
  return "auto";
}

LA_INLINE Weights parse_weights(std::string_view name) {
  for (Weights w : {Weights::auto_, Weights::f32, Weights::bf16})
    if (name == name_of(w)) return w;
  fail_usage("--weights: expected auto, f32 or bf16, found '", name, "'");
}

}  // namespace la
