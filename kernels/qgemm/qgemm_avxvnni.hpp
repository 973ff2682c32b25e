#pragma once

#include "lanes_avxvnni.hpp"
#include "qgemm_dot.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Of 16 registers, 12 hold sums and 2 weights; in 4 bits 10, and 4 the expanded weights of a line.
struct QTileShape {
  template <class Block>
  static constexpr int MR = Block::kBits == 4 ? 5 : 6;
  static constexpr int NR(int) { return kPanel; }
};

using QMicro = DotMicro<DotLanes, QTileShape>;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
