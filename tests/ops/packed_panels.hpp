#pragma once

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "../../la/weights/packed_weight.hpp"
#include "../../la/weights/pack_panel.hpp"

// Weights of random numbers in panels of any format.
namespace la::test {

struct PanelSize {
  i64 outputs, inputs;
};

inline std::vector<float> normal_values(i64 n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& x : values) x = normal(engine);
  return values;
}

inline std::unique_ptr<PackedWeight> random_panels(PanelFormat format, const PanelSize& size) {
  const std::vector<float> w = normal_values(size.outputs * size.inputs, 3);
  auto packed = std::make_unique<PackedWeight>(format, size.outputs, size.inputs);
  for (i64 n = 0; n < size.outputs; n += kernels::kPanel) {
    std::vector<detail::SourceRow> rows;
    for (i64 j = n; j < std::min<i64>(n + kernels::kPanel, size.outputs); ++j)
      rows.push_back({reinterpret_cast<const std::byte*>(w.data() + j * size.inputs), DType::f32});
    detail::pack_panel(format, rows, size.inputs, packed->own_panels(n));
  }
  return packed;
}

inline std::vector<float> rows_of(const PackedWeight& w) {
  std::vector<float> rows(std::size_t(w.outputs() * w.inputs()));
  for (i64 n = 0; n < w.outputs(); ++n) w.row(n, rows.data() + n * w.inputs());
  return rows;
}

}  // namespace la::test
