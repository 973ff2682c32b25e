#include "packed_weight.hpp"

#include <cstring>
#include <vector>

#include "../core/parallel.hpp"
#include "panel_source.hpp"

namespace la::inline LA_ABI {
LA_INLINE PanelFormat PackedWeight::choose_format(std::span<const WeightPart> parts, WeightFormat format) {
  return detail::choose_format(parts, format);
}

LA_INLINE PackedWeight::PackedWeight(PanelFormat format, i64 outputs, i64 inputs,
                                     const std::shared_ptr<MemoryResource>& memory)
    : Weight(outputs, inputs),
      format_(format),
      stride_(la::panel_bytes(format, inputs)),
      own_(std::size_t(panel_count(outputs)) * stride_, memory),
      panels_(own_.data()) {}

LA_INLINE PackedWeight::PackedWeight(const StoredPanels& stored)
    : Weight(stored.outputs, stored.inputs),
      format_(stored.format),
      stride_(la::panel_bytes(stored.format, stored.inputs)),
      mapping_(stored.mapping),
      panels_(stored.panels->bytes.data()) {}

LA_INLINE std::unique_ptr<PackedWeight> PackedWeight::pack(std::span<const WeightPart> parts,
                                                           WeightFormat format, Team* team,
                                                           const std::shared_ptr<MemoryResource>& memory) {
  const detail::PanelSource source(parts, format);
  const StoredPanels* mapped = source.mapped();
  auto packed = mapped ? std::make_unique<PackedWeight>(*mapped)
                       : std::make_unique<PackedWeight>(source.format(), source.shape().outputs,
                                                        source.shape().inputs, memory);
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
