#pragma once

#include "lanes_avx512vnni.hpp"
#include "qgemm_dot.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// A block step of the decoder is one tile; from two to six rows, two panels hide the latency of the dot product.
struct QTileShape {
  template <class Block>
  static constexpr int MR = 12;
  static constexpr int NR(int rows) { return kPanel * (rows == 1 || rows > 6 ? 1 : 2); }
};

using QMicro = DotMicro<DotLanes, QTileShape>;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
