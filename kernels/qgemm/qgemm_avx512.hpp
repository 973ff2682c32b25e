#pragma once

#include "lanes_avx512.hpp"
#include "qgemm_pairs.hpp"

namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE {

/// A block step of the decoder is one tile; 12 of 32 registers hold sums and 12 those of pairs.
struct QTileShape {
  template <class Block>
  static constexpr int MR = 12;
  static constexpr int NR(int) { return kPanel; }
};

using QMicro = PairMicro<Lanes, QTileShape>;

}  // namespace la::inline LA_ABI::kernels::LA_KERNELS_NAMESPACE
