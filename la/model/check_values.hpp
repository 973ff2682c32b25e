#pragma once

#include <string>
#include <vector>

#include "../core/inline.hpp"
#include "../io/checkpoint.hpp"
#include "config.hpp"

namespace la::inline LA_ABI {

/// The values of one tensor that are infinite or NaN.
struct NonFiniteValues {
  std::string path, tensor;
  i64 count = 0;
  std::vector<i64> first;  ///< index of the first, row-major, one number for each dimension
  i64 first_element = 0;   ///< the same as a distance from the start

  /// "DIR/model.safetensors: tensor "x": 3 values are not finite, the first at [4, 17], element 529"
  std::string describe() const;
};

/// Reads every value of the checkpoint: F16, BF16, F32 and F64 tensors as they are, panels of a packed checkpoint
/// as the weights [outputs, inputs] that they stand for.
/// error: as check_weights
std::vector<NonFiniteValues> find_non_finite(const Checkpoint& checkpoint, const ModelConfig& config);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "check_values.cpp"
#endif
