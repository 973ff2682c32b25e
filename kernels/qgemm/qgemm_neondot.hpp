#pragma once

#include "lanes_neondot.hpp"
#include "qgemm_dot.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Of 32 registers, 16 hold sums and 8 the expanded weights of a line.
struct QTileShape {
  template <class Block>
  static constexpr int MR = 4;
  static constexpr int NR(int) { return kPanel; }
};

using QMicro = DotMicro<DotLanes, QTileShape>;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
