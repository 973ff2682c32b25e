#pragma once

#include <cstdint>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI {

/// Tokens that a block pass predicts: the model was trained with this width, so a config with another is refused.
inline constexpr int kBlockSize = 6;

/// Token ids with a meaning of their own. All come from config.json, never from text.
struct SpecialTokens {
  std::int32_t image = -1;                         ///< image_token_index, `<IMG_CONTEXT>`
  std::int32_t box_start = -1, box_end = -1;       ///< `<box>` `</box>`
  std::int32_t ref_start = -1, ref_end = -1;       ///< `<ref>` `</ref>`
  std::int32_t coord_first = -1, coord_last = -1;  ///< `<0>` .. `<1000>`
  std::int32_t none = -1;                          ///< the word that says "nothing there"
  std::int32_t mask = -1;                          ///< text_mask_token_id, fills a block's window
  std::int32_t null = -1;                          ///< null_token_id, pads a block
  std::int32_t switch_to_ar = -1;                  ///< switch_token_id
  std::int32_t end = -1;                           ///< eos_token_id, `<|im_end|>`

  bool is_coord(std::int32_t id) const noexcept { return id >= coord_first && id <= coord_last; }
};

}  // namespace la::inline LA_ABI
