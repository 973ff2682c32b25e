#pragma once

#include "../core/inline.hpp"
#include "../io/checkpoint.hpp"
#include "../model/config.hpp"
#include "memory_plan.hpp"

namespace la::inline LA_ABI {

/// What a run takes of a card. The model is loaded, encodes the picture and answers, with a driver that has no card and only
/// counts what is asked of it. So it is exact for one question that is answered to the last token, and above for a shorter
/// answer. Of several questions all check drafts in the same pass, as they may but seldom do: the logits, activations and
/// partial sums of the rows that do not are counted though nobody needs them, at most 20 % of the whole in the tests.
/// What the driver takes for itself, its context and what it rounds up, is not counted.
/// cost: a read of the weights that are vectors
/// error: as load_weights and plan_size; a model that no card can run
DeviceMemoryEstimate estimate_card_memory(const Checkpoint& checkpoint, const ModelConfig& config,
                                          const MemoryPlan& plan);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "card_memory.cpp"
#endif
