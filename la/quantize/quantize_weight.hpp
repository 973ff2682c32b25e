#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "../core/parallel.hpp"
#include "../weights/packed_weight.hpp"
#include "../weights/pack_panel.hpp"
#include "../weights/weight_rows.hpp"
#include "gptq.hpp"
#include "quantize_options.hpp"

// One linear weight to panels of 4 bits.
namespace la::inline LA_ABI::detail {

template <int G>
void put_row(const Int4Row& row, std::size_t column, std::byte* panel) {
  auto* blocks = reinterpret_cast<kernels::Q4Block<G>*>(panel);
  for (std::size_t g = 0; g < row.groups.size(); ++g) {
    blocks[g].scale[column] = row.groups[g].half_scale.bits;
    blocks[g].zero[column] = row.groups[g].zero;
  }
  for (std::size_t k = 0; k < row.codes.size(); ++k)
    put_code(blocks[i64(k) / G], i64(k) % G, column, row.codes[k]);
}

/// What each step makes of a row, for the summary.
inline QuantizeErrors measure_row(std::span<const float> w, i64 group, const Feedback& h,
                                  const Int4Row& carried, const Int4Row& refined) {
  const auto cost = [&](const Int4Row& row) {
    std::vector<float> error(w.size());
    for (std::size_t k = 0; k < w.size(); ++k) error[k] = w[k] - row.value(i64(k), group);
    return h.cost(error);
  };
  QuantizeErrors e;
  e.outputs = h.cost(w);
  e.rtn = cost(rtn_row(w, group, [](std::size_t, std::span<const float> part) { return plain_scale(part); }));
  e.search = cost(rtn_row(w, group, [&](std::size_t k0, std::span<const float> part) {
    return searched_scale(part, h.diagonal.data() + k0);
  }));
  e.feedback = cost(carried);
  e.refined = cost(refined);
  return e;
}

inline void add(QuantizeErrors& sum, const QuantizeErrors& e) {
  sum.outputs += e.outputs;
  sum.rtn += e.rtn;
  sum.search += e.search;
  sum.feedback += e.feedback;
  sum.refined += e.refined;
}

/// All steps of the calibration; what each of them brought is added to `errors`, if given.
inline Int4Row calibrated_row(std::span<const float> w, i64 group, const Feedback& h,
                              QuantizeErrors* errors) {
  std::vector<float> rest(w.begin(), w.end());
  const Int4Row carried = gptq_row(rest, group, h);
  Int4Row refined = carried;
  RowRefiner(w, group, h, refined).run();
  if (errors) add(*errors, measure_row(w, group, h, carried, refined));
  return refined;
}

/// 4-bit panels of the stacked parts; without hessian each group is rounded to nearest.
inline std::unique_ptr<PackedWeight> quantize_int4(std::span<const WeightPart> parts, PanelFormat format,
                                                   const Hessian* hessian, Team* team,
                                                   QuantizeErrors& errors) {
  constexpr i64 kMeasuredEvery = 16;  // rows; the errors are told, not used
  const StackShape stacked(parts);
  const i64 group = group_size(format);
  auto packed = std::make_unique<PackedWeight>(format, stacked.outputs, stacked.inputs);
  const WeightRows rows(parts, stacked.inputs);
  const std::unique_ptr<Feedback> feedback = hessian ? std::make_unique<Feedback>(*hessian) : nullptr;
  std::mutex mutex;
  parallel_for(panel_count(stacked.outputs), team, [&](i64 begin, i64 end, int) {
    std::vector<float> scratch, w(std::size_t(stacked.inputs));
    QuantizeErrors sum;
    for (i64 p = begin; p < end; ++p) {
      std::byte* panel = packed->own_panels(p * kernels::kPanel);
      std::memset(panel, 0, panel_bytes(format, stacked.inputs));
      const std::vector<SourceRow> sources = rows.read(p * kernels::kPanel, kernels::kPanel, scratch);
      for (std::size_t c = 0; c < sources.size(); ++c) {
        each_input(sources[c], 0, stacked.inputs, [&](i64 k, auto x) { w[std::size_t(k)] = to_float(x); });
        const bool measured = feedback && (p * kernels::kPanel + i64(c)) % kMeasuredEvery == 0;
        const Int4Row row = feedback ? calibrated_row(w, group, *feedback, measured ? &sum : nullptr)
                                     : rtn_row(w, group, [](std::size_t, std::span<const float> part) {
                                         return plain_scale(part);
                                       });
        group == 128 ? put_row<128>(row, c, panel) : put_row<32>(row, c, panel);
      }
    }
    const std::lock_guard lock(mutex);
    add(errors, sum);
  });
  for (const WeightPart& part : parts) release(part);
  return packed;
}

}  // namespace la::inline LA_ABI::detail
