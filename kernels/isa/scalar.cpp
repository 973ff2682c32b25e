#include "scalar.hpp"

namespace la::kernels {
void override_scalar(Table& t) noexcept {
  scalar::override_entries(t);
}
}  // namespace la::kernels
