#pragma once

#include <optional>
#include <string>

#include "../core/inline.hpp"
#include "../io/checkpoint.hpp"
#include "../ops/stored_int4.hpp"
#include "config.hpp"

namespace la {

/// The weight [outputs, inputs] that `name`.qweight, .qzeros, .scales and perhaps .g_idx hold; nothing when there is
/// no `name`.qweight. GPTQ and AWQ are told apart by the shape of qweight; whether zeros are stored minus one is told by
/// the config, else by the zeros of a symmetric weight (all 7: minus one, all 8: not).
/// error: bits other than 4, a quant_method or packing_format that is not known, a group size that does not divide the
/// inputs, a missing tensor, another shape or type, a group index out of range; the message names the tensor
std::optional<StoredInt4> find_int4(const Checkpoint& checkpoint,
                                    const std::optional<QuantizationConfig>& config, const std::string& name,
                                    i64 outputs, i64 inputs);

}  // namespace la

#if !defined(LA_COMPILED)
#include "find_int4.cpp"
#endif
