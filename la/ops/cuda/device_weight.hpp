#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "../../../kernels/cuda/arguments.hpp"
#include "../../core/parallel.hpp"
#include "../../weights/panel_source.hpp"
#include "driver.hpp"

namespace la::inline LA_ABI::cuda {

/// A weight on the device, in the order in which the lanes of a warp read it (kernels/cuda/arguments.hpp).
class DeviceWeight final : public Weight {
 public:
  /// Panels are packed, or taken from the mapped file, slice by slice: the host holds one slice, the device one more.
  DeviceWeight(Driver& driver, const detail::PanelSource& source, Precision precision, Team* team)
      : Weight(source.shape().outputs, source.shape().inputs) {
    view_.activation_parts = parts_of(precision);
    reserve(driver, source.format());
    repack(driver, source, team);
    if (const std::vector<float> bias = source.bias(); !bias.empty()) {
      std::byte* to = take(driver, bias.size() * sizeof(float));
      driver.upload(bias.data(), to, bias.size() * sizeof(float));
      view_.bias = reinterpret_cast<const float*>(to);
    }
    source.release();
  }

  /// Zeros, without a bias: what a benchmark multiplies with.
  DeviceWeight(Driver& driver, PanelFormat format, i64 outputs, i64 inputs, Precision precision)
      : Weight(outputs, inputs) {
    view_.activation_parts = parts_of(precision);
    reserve(driver, format);
    for (std::size_t i = 0; i < memory_.size(); ++i) driver.clear(memory_[i].get(), sizes_[i]);
  }

  std::size_t bytes() const noexcept override { return bytes_; }
  /// Bytes that are taken beside it while it is loaded.
  static std::size_t staged_bytes(PanelFormat format, i64 outputs, i64 inputs) noexcept {
    return std::size_t(panels_a_slice(format, outputs, inputs)) * panel_bytes(format, inputs);
  }
  std::string_view format() const noexcept override { return name_of(view_.format); }
  const kernels::cuda::WeightView& view() const noexcept { return view_; }

 private:
  static int parts_of(Precision precision) noexcept { return precision == Precision::high ? 2 : 1; }

  static i64 panels_a_slice(PanelFormat format, i64 outputs, i64 inputs) noexcept {
    return std::clamp<i64>(i64(kWeightSlice / panel_bytes(format, inputs)), 1, panel_count(outputs));
  }

  void reserve(Driver& driver, PanelFormat format) {
    namespace device = kernels::cuda;
    view_.format = format;
    view_.outputs = std::int32_t(outputs());
    view_.inputs = std::int32_t(inputs());
    const i64 tiles = device::tiles_of(outputs()), groups = device::groups_of(inputs());
    const i64 scales = tiles * groups * device::kTile * device::scales_a_group(format);
    const bool bytes8 = format == PanelFormat::q8;
    view_.codes = take(driver, std::size_t(tiles * device::tile_bytes(format, inputs())));
    if (scales > 0)
      view_.scales = take(driver, std::size_t(scales) * (bytes8 ? sizeof(float) : sizeof(std::uint16_t)));
    if (scales > 0 && !bytes8)
      view_.zeros = reinterpret_cast<std::uint8_t*>(take(driver, std::size_t(scales)));
  }

  std::byte* take(Driver& driver, std::size_t bytes) {
    memory_.push_back(driver.allocate(bytes));
    sizes_.push_back(bytes);
    bytes_ += bytes;
    return memory_.back().get();
  }

  void repack(Driver& driver, const detail::PanelSource& source, Team* team) {
    const i64 panels = panel_count(outputs());
    const std::size_t stride = panel_bytes(view_.format, inputs());
    const i64 slice = panels_a_slice(view_.format, outputs(), inputs());
    const std::shared_ptr<std::byte> staged =
        driver.allocate(staged_bytes(view_.format, outputs(), inputs()));
    const StoredPanels* mapped = source.mapped();
    Storage host(mapped ? 0 : std::size_t(slice) * stride);
    for (i64 first = 0; first < panels; first += slice) {
      const i64 count = std::min(slice, panels - first);
      if (!mapped)
        parallel_for(count, team, [&](i64 begin, i64 end, int) {
          std::vector<float> scratch;
          for (i64 p = begin; p < end; ++p)
            source.pack(first + p, scratch, host.data() + std::size_t(p) * stride);
        });
      const std::byte* from =
          mapped ? mapped->panels->bytes.data() + std::size_t(first) * stride : host.data();
      driver.upload(from, staged.get(), std::size_t(count) * stride);
      kernels::cuda::Repack a;
      a.panels = staged.get();
      a.panel_stride = i64(stride);
      a.first = std::int32_t(first);
      a.weight = view_;
      Launch launch{"repack", unsigned(count), unsigned(kernels::cuda::groups_of(inputs())), 64, 0};
      driver.launch(launch, &a, sizeof a);
    }
  }

  kernels::cuda::WeightView view_;
  std::vector<std::shared_ptr<std::byte>> memory_;
  std::vector<std::size_t> sizes_;
  std::size_t bytes_ = 0;
};

}  // namespace la::inline LA_ABI::cuda
