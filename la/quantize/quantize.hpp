#pragma once

#include <string>

#include "../core/inline.hpp"
#include "quantize_options.hpp"

namespace la::inline LA_ABI {

/// Writes a quantised copy of a checkpoint: a complete directory that Session::open opens.
///
/// 4-bit groups have 128 inputs where a layer has 1024 or more inputs and 128 divides them, else 32; the gptq layout has
/// one group size, 128 when every layer has that many, else 32. The patch embedding takes 8 bits at least.
/// Calibration takes the parts in the order of the forward pass (vision, projector, decoder, head) and goes through the
/// samples once for each, more often where the hessian of its layers need the memory, see kHessianBytes. The weights that
/// are done take part in it: later ones are fitted to the inputs that they will get. A row's codes come from GPTQ's error
/// feedback on searched scales, then codes and scales are improved in turn.
/// error: a checkpoint that is quantised already, an output directory that exists unless resuming, no samples
QuantizeSummary quantize(const std::string& model_dir, const std::string& out_dir,
                         const QuantizeOptions& options);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "quantize.cpp"
#endif
