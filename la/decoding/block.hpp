#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../core/inline.hpp"
#include "row_summary.hpp"
#include "sampling.hpp"
#include "../text/special_tokens.hpp"

namespace la::inline LA_ABI {

/// How answers are decoded: one token a step, a block of six a step, or blocks with single tokens for a box
/// that is in doubt.
enum class Mode { slow, fast, hybrid };

/// All that reading a block needs to know of one row of probabilities.
struct BlockRow : RowSummary {
  Candidate token;  ///< drawn, or the most probable when greedy
};
using BlockRows = std::array<BlockRow, kBlockSize>;

using BlockTokens = std::array<Candidate, kBlockSize>;

/// The six tokens as a box or as a ref, from the probabilities and not from the drawn tokens; nothing when
/// the block is neither. A coordinate in doubt (hybrid only) is read as id 0.
std::optional<BlockTokens> read_block(const BlockRows& rows, const SpecialTokens& special, Mode mode);

enum class BlockType { coord_box, point_box, empty_box, error_box, text, end };

/// What a block adds to the answer. A derived token (the `</box>` of an empty box, the `<|im_end|>` for a
/// null) keeps the probability of the token whose place it takes.
struct BlockOutput {
  BlockType type = BlockType::text;
  std::vector<Candidate> tokens;
  bool switches_to_ar() const noexcept { return type == BlockType::error_box; }
  bool ends() const noexcept { return type == BlockType::end; }
};

/// The pattern of six tokens, from read_block() or else each row's own token, and the output it stands for.
BlockOutput classify_block(const BlockTokens& tokens, const SpecialTokens& special, Mode mode);

/// read_block(), else each row's own token; then classify_block().
BlockOutput decode_block(const BlockRows& rows, const SpecialTokens& special, Mode mode);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "block.cpp"
#endif
