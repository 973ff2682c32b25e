#pragma once

#include "lanes_avx512vnni.hpp"
#include "qgemm_dot.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Twelve rows by two panels fill 24 of 32 registers with sums: a block step of the decoder is one tile, and a broadcast
/// activation serves two dot products, of which a cycle takes as many as loads. One row is bound by memory.
struct QTileShape {
  template <class Block>
  static constexpr int MR = 12;
  static constexpr int NR(int rows) { return kPanel * (rows == 1 ? 1 : 2); }
};

using QMicro = DotMicro<DotLanes, QTileShape>;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
