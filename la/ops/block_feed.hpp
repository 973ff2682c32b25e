#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "../core/tensor.hpp"
#include "../decoding/block.hpp"
#include "../text/special_tokens.hpp"
#include "../../kernels/kernels.hpp"

namespace la::inline LA_ABI {

/// Rows that a pass feeds behind a block which is not read yet: room for the tokens that it may give, and for a window.
inline constexpr i64 kFeedRows = 2 * kBlockSize;

/// A block that a pass has given and nobody has read: six summaries, behind so many tokens of its sequence.
struct PendingBlock {
  std::int32_t summary = 0;  ///< the first one's row
  std::int32_t length = 0;
};

/// What kFeedRows rows a block are, once it is known how many tokens it gave, in the backend's memory. Row r is key
/// `length` + r of its sequence, whatever that number is: first come these tokens, then the window of the next block. Masks go
/// on to the last row, but only six rows of the window are seen.
struct BlockFeed {
  Matrix ids;                                  ///< [T, 1], as floats, for Ops::embed_best
  std::span<std::int32_t> angles;              ///< [T] rows of a table of each block's positions `length` ..
  std::span<kernels::KeyMask> visible;         ///< [T]
  std::span<std::int32_t> wanted;              ///< [6 blocks] rows of the windows
  std::span<kernels::KeyMask> wanted_visible;  ///< [6 blocks] theirs
};

/// Blocks are read as in fast mode. In hybrid those that are not left to the AR phase are read alike; another pass than this
/// follows one that is, or that ends the answer.
/// shape: summaries [P, summary_floats(number of ids)]
inline void write_block_feed(ConstMatrix summaries, std::span<const PendingBlock> blocks,
                             const SpecialTokens& special, const BlockFeed& feed) {
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    BlockRows rows;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const float* summary = summaries.row(blocks[b].summary + i64(i));
      rows[i] = {read_summary(std::span(summary, std::size_t(summaries.shape[1]))), {}};
      rows[i].token = rows[i].best[0];
    }
    const BlockOutput output = decode_block(rows, special, Mode::fast);
    const std::int32_t count = std::int32_t(output.tokens.size()), end = blocks[b].length + count;
    const kernels::KeyMask window{end - 1, end, end + kBlockSize};
    for (std::int32_t r = 0; r < kFeedRows; ++r) {
      const std::size_t row = b * kFeedRows + std::size_t(r);
      const std::int32_t id =
          r <= count ? output.tokens[std::size_t(std::min(r, count - 1))].id : special.mask;
      feed.ids(i64(row), 0) = float(id);
      feed.angles[row] = std::int32_t(row) - (r >= count);
      feed.visible[row] = r < count ? kernels::KeyMask{blocks[b].length + r + 1, 0, 0} : window;
    }
    for (std::int32_t j = 0; j < kBlockSize; ++j) {
      feed.wanted[b * kBlockSize + std::size_t(j)] = std::int32_t(b * kFeedRows) + count + j;
      feed.wanted_visible[b * kBlockSize + std::size_t(j)] = window;
    }
  }
}

}  // namespace la::inline LA_ABI
