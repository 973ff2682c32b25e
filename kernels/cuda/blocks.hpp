#pragma once

#include "../block_rules.hpp"
#include "arguments.hpp"
#include "device.hpp"

// Reads a block where its summaries are, as la::decode_block does in fast mode, and makes what the next pass feeds of it.
namespace la::inline LA_ABI::kernels::cuda {

/// The rows of a block.    at: kBlockFloats a row
struct BlockReader {
  const float* at;
  const BlockTokens& special;
  std::int32_t* tokens;  // [6]

  LA_DEVICE float p(int row, BlockNumber which) const {
    return at[row * kBlockFloats + 2 * kSummaryBest + which];
  }
  LA_DEVICE std::int32_t best(int row, int i) const { return std::int32_t(at[row * kBlockFloats + i]); }
  LA_DEVICE bool is_coordinate(std::int32_t id) const {
    return id >= special.coord_first && id <= special.coord_last;
  }
  /// The first of the row's best ids that is a coordinate, or is none, becomes its token.
  LA_DEVICE bool take_first(int row, int candidates, bool coordinate) const {
    for (int i = 0; i < candidates; ++i)
      if (is_coordinate(best(row, i)) == coordinate) {
        tokens[row] = best(row, i);
        return true;
      }
    return false;
  }

  LA_DEVICE bool read_empty_box() const {
    if (!(p(0, kOfBoxStart) >= kEmptyBoxStart && p(1, kOfNone) > kEmptyBoxNone &&
          p(2, kOfBoxEnd) > kEmptyBoxEnd && p(3, kOfNull) > kEmptyBoxNull && p(4, kOfNull) > kEmptyBoxNull))
      return false;
    tokens[0] = special.box_start;
    tokens[1] = special.none;
    return true;
  }
  LA_DEVICE bool read_box() const {
    if (p(5, kOfBoxEnd) + p(5, kOfNull) + p(5, kOfEnd) < kBoxEnd) return false;
    tokens[0] = special.box_start;
    tokens[5] = special.box_end;
    for (int row = 1; row <= 4; ++row)
      if (!take_first(row, kBoxCandidates, true)) return false;
    return true;
  }
  LA_DEVICE bool read_ref() const {
    if (p(0, kOfRefStart) < kRefStart) return false;
    tokens[0] = special.ref_start;
    for (int row = 1; row < kBlockRows; ++row)
      if (!take_first(row, kSummaryBest, false)) return false;
    return true;
  }

  /// How many of the tokens the block gives; some of them may be others than those of the rows.
  LA_DEVICE int read() const {
    if (!read_empty_box() && !read_box() && !read_ref())
      for (int row = 0; row < kBlockRows; ++row) tokens[row] = best(row, 0);
    if (tokens[0] == special.null || tokens[0] == special.end) {
      tokens[0] = special.end;
      return 1;
    }
    if (tokens[0] == special.box_start) return count_of_box();
    int count = 1;
    while (count < kBlockRows && tokens[count] != special.null) ++count;
    const bool twice =
        count >= 2 && tokens[count - 1] == special.ref_end && tokens[count - 2] == special.ref_end;
    return count - twice;
  }
  LA_DEVICE int count_of_box() const {
    if (tokens[1] == special.none) {
      tokens[2] = special.box_end;
      return 3;
    }
    const bool point = is_coordinate(tokens[1]) && is_coordinate(tokens[2]) && tokens[3] == special.box_end;
    return point ? 4 : kBlockRows;
  }
};

/// grid: blocks
LA_KERNEL void follow_blocks(FollowBlocks a) {
  wait_for_launches();
  float* rows = shared_memory<float>();
  auto* tokens = reinterpret_cast<std::int32_t*>(rows + kBlockRows * kBlockFloats);
  const PendingBlock block = a.blocks[block_index_x()];
  for (int e = thread_index(); e < kBlockRows * kBlockFloats; e += block_size())
    rows[e] = a.summaries[(block.summary + e / kBlockFloats) * a.summary_stride + e % kBlockFloats];
  sync_block();
  if (thread_index() == 0) tokens[kBlockRows] = BlockReader{rows, a.special, tokens}.read();
  sync_block();
  const int count = tokens[kBlockRows], end = block.length + count;
  const KeyMask window{end - 1, end, end + kBlockRows};
  const int first = block_index_x() * kFeedRows;
  for (int r = thread_index(); r < kFeedRows; r += block_size()) {
    const std::int32_t token = tokens[r < count ? r : count - 1];
    const std::int32_t id = r <= count ? token : a.special.mask;
    a.ids[(first + r) * a.id_stride] = float(id);
    a.angles[first + r] = first + r - (r >= count);
    a.visible[first + r] = r < count ? KeyMask{block.length + r + 1, 0, 0} : window;
  }
  for (int j = thread_index(); j < kBlockRows; j += block_size()) {
    a.wanted[block_index_x() * kBlockRows + j] = first + count + j;
    a.wanted_visible[block_index_x() * kBlockRows + j] = window;
  }
}

}  // namespace la::inline LA_ABI::kernels::cuda
