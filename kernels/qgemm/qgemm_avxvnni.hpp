#pragma once

#include "lanes_avxvnni.hpp"
#include "qgemm_dot.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Of 16 registers, 10 hold sums and 4 the expanded weights of a line.
struct QTileShape {
  template <class Block>
  static constexpr int MR = 5;
  static constexpr int NR(int rows) { return kPanel * (rows == 2 ? 2 : 1); }
};

using QMicro = DotMicro<DotLanes, QTileShape>;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
