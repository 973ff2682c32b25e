#pragma once

#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../model/model_weights.hpp"
#include "../weights/packed_weight.hpp"
#include "../weights/weight_rows.hpp"
#include "quantize_options.hpp"

// What becomes of each weight, decided before any is read.
namespace la::inline LA_ABI::detail {

/// Rows of a stack that come from one tensor.
struct PlannedRows {
  std::string tensor;
  i64 first = 0, count = 0;  ///< in the stack
};

struct PlannedWeight {
  std::string name;
  ModelPart part = ModelPart::decoder;
  PanelFormat format = PanelFormat::f32;
  i64 outputs = 0, inputs = 0;
  std::vector<float> bias;  ///< of the stack; empty when there is none
  std::vector<PlannedRows> rows;

  bool int4() const noexcept { return group_size(format) > 0 && format != PanelFormat::q8; }
};

inline bool is_patch_embedding(const StoredWeight& w) {
  return w.parts[0].weight->shape.size() == 4;
}

/// Whether the layout of other tools can hold it: words of eight inputs and outputs, and whole groups.
inline bool fits_gptq(const StoredWeight& w) {
  if (w.part == ModelPart::head || is_patch_embedding(w)) return false;
  for (const WeightPart& part : w.parts)
    if (outputs_of(part) % 8 != 0 || inputs_of(part) % 32 != 0) return false;
  return true;
}

inline bool takes_wide_groups(i64 inputs) noexcept {
  return inputs >= 1024 && inputs % 128 == 0;
}

inline PanelFormat planned_format(const StoredWeight& w, const QuantizeOptions& options, bool wide_groups) {
  const PanelFormat kept = PackedWeight::choose_format(w.parts, WeightFormat::auto_);
  if (!options.parts.contains(w.part)) return kept;
  const bool four = options.format == QuantizeFormat::q4 ||
                    (options.format == QuantizeFormat::mixed && w.part == ModelPart::decoder);
  if (options.layout == QuantizeLayout::gptq)
    return !fits_gptq(w) ? kept : wide_groups ? PanelFormat::q4_g128 : PanelFormat::q4_g32;
  if (!four || is_patch_embedding(w)) return PanelFormat::q8;
  return takes_wide_groups(inputs_of(w.parts[0])) ? PanelFormat::q4_g128 : PanelFormat::q4_g32;
}

/// error: a checkpoint that is quantised already
inline std::vector<PlannedWeight> plan_weights(const Checkpoint& checkpoint, const ModelConfig& config,
                                               const QuantizeOptions& options) {
  bool wide_groups = true;
  for_each_weight(checkpoint, config, [&](const StoredWeight& w) {
    for (const WeightPart& part : w.parts)
      require(part.weight, main_tensor(part).file->path(), ": tensor ", main_tensor(part).name,
              ": expected floats to quantise, found ", main_tensor(part).describe());
    if (options.parts.contains(w.part) && fits_gptq(w))
      wide_groups = wide_groups && takes_wide_groups(inputs_of(w.parts[0]));
  });
  std::vector<PlannedWeight> plan;
  for_each_weight(checkpoint, config, [&](const StoredWeight& w) {
    const StackShape stacked(w.parts);
    PlannedWeight p{w.name,
                    w.part,
                    planned_format(w, options, wide_groups),
                    stacked.outputs,
                    stacked.inputs,
                    stacked.bias(w.parts),
                    {}};
    i64 first = 0;
    for (const WeightPart& part : w.parts) {
      p.rows.push_back({part.weight->name, first, outputs_of(part)});
      first += outputs_of(part);
    }
    plan.push_back(std::move(p));
  });
  return plan;
}

}  // namespace la::inline LA_ABI::detail
