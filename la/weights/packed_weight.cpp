#include "packed_weight.hpp"

#include <cstring>
#include <vector>

#include "../core/parallel.hpp"
#include "panel_source.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// error: a dtype that cannot be packed
inline PanelFormat panel_format_of_floats(std::span<const WeightPart> parts, WeightFormat requested) {
  const DType stored = common_dtype(parts);
  switch (requested) {
    case WeightFormat::f32:
      return PanelFormat::f32;
    case WeightFormat::bf16:
      return PanelFormat::bf16;
    case WeightFormat::q8:
      return PanelFormat::q8;
    case WeightFormat::q4:
      return PanelFormat::q4_g32;
    case WeightFormat::auto_:
      break;
  }
  return stored == DType::bf16 ? PanelFormat::bf16 : PanelFormat::f32;
}

/// Whether these panels are what was requested, so that they can be used as they are.
inline bool is_requested(PanelFormat format, WeightFormat requested) {
  return requested == WeightFormat::auto_ || la::name_of(format) == name_of(requested);
}

}  // namespace detail

LA_INLINE PanelFormat PackedWeight::choose_format(std::span<const WeightPart> parts, WeightFormat format) {
  if (parts.size() == 1 && parts[0].panels && detail::is_requested(parts[0].panels->format, format))
    return parts[0].panels->format;
  const auto integers = detail::lossless_format(parts);
  if (integers && detail::is_requested(*integers, format)) return *integers;
  return detail::panel_format_of_floats(parts, format);
}

LA_INLINE PackedWeight::PackedWeight(PanelFormat format, i64 outputs, i64 inputs)
    : Weight(outputs, inputs),
      format_(format),
      stride_(la::panel_bytes(format, inputs)),
      own_(std::size_t(panel_count(outputs)) * stride_),
      panels_(own_.data()) {}

LA_INLINE PackedWeight::PackedWeight(const StoredPanels& stored)
    : Weight(stored.outputs, stored.inputs),
      format_(stored.format),
      stride_(la::panel_bytes(stored.format, stored.inputs)),
      mapping_(stored.mapping),
      panels_(stored.panels->bytes.data()) {}

LA_INLINE std::unique_ptr<PackedWeight> PackedWeight::pack(std::span<const WeightPart> parts,
                                                           WeightFormat format, Team* team) {
  const detail::PanelSource source(parts, format);
  const StoredPanels* mapped = source.mapped();
  auto packed =
      mapped ? std::make_unique<PackedWeight>(*mapped)
             : std::make_unique<PackedWeight>(source.format(), source.shape().outputs, source.shape().inputs);
  packed->set_bias(source.bias());
  if (mapped) return packed;

  parallel_for(panel_count(source.shape().outputs), team, [&](i64 begin, i64 end, int) {
    std::vector<float> scratch;
    for (i64 p = begin; p < end; ++p) source.pack(p, scratch, packed->own_panels(p * kernels::kPanel));
  });
  source.release();
  return packed;
}

LA_INLINE void PackedWeight::set_bias(std::span<const float> bias) {
  bias_ = Storage(bias.size_bytes());
  if (!bias.empty()) std::memcpy(bias_.data(), bias.data(), bias.size_bytes());
}

LA_INLINE void PackedWeight::row(i64 n, float* out) const noexcept {
  detail::unpack_column(format_, panels(n), inputs(), std::size_t(n % kernels::kPanel), out);
}

}  // namespace la::inline LA_ABI
