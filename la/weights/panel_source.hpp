#pragma once

#include <span>
#include <vector>

#include "choose_format.hpp"
#include "pack_panel.hpp"
#include "weight_rows.hpp"

namespace la::inline LA_ABI::detail {

/// The panels of a stacked weight one by one, from whatever its parts are stored as: for those who do not want to hold
/// them all.
class PanelSource {
 public:
  PanelSource(std::span<const WeightPart> parts, WeightFormat format)
      : parts_(parts),
        shape_(parts),
        format_(choose_format(parts, format)),
        integers_(lossless_format(parts) == format_),
        rows_(parts, shape_.inputs) {}

  const StackShape& shape() const noexcept { return shape_; }
  PanelFormat format() const noexcept { return format_; }
  std::vector<float> bias() const { return shape_.bias(parts_); }
  /// The part whose panels lie in a mapped file as they are wanted; null when they have to be packed.
  const StoredPanels* mapped() const noexcept {
    return parts_.size() == 1 && parts_[0].panels && parts_[0].panels->format == format_ ? parts_[0].panels
                                                                                         : nullptr;
  }
  /// Panel p to out.
  void pack(i64 p, std::vector<float>& scratch, std::byte* out) const {
    if (!integers_)
      pack_panel(format_, rows_.read(p * kernels::kPanel, kernels::kPanel, scratch), shape_.inputs, out);
    else if (format_ == PanelFormat::q4_g128)
      pack_int4_panel<128>(parts_, shape_.inputs, p, out);
    else
      pack_int4_panel<32>(parts_, shape_.inputs, p, out);
  }
  /// Gives the file pages of all parts back.
  void release() const {
    for (const WeightPart& part : parts_) detail::release(part);
  }

 private:
  std::span<const WeightPart> parts_;
  StackShape shape_;
  PanelFormat format_;
  bool integers_;
  WeightRows rows_;
};

}  // namespace la::inline LA_ABI::detail
