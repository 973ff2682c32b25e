#pragma once

#include "lanes_avx2.hpp"
#include "qgemm_pairs.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// Of 16 registers, 8 or 10 hold sums and 4 the weights of a line or their products.
struct QTileShape {
  template <class Block>
  static constexpr int MR = Block::kBits == 4 ? 4 : 5;
  static constexpr int NR(int) { return kPanel; }
};

using QMicro = PairMicro<Lanes, QTileShape>;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
