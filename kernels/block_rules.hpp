#pragma once

#include "abi.hpp"

// Thresholds of the model's own decoder of blocks, for the one of the host and for that of a card.
namespace la::inline LA_ABI::kernels {

inline constexpr float kEmptyBoxStart = 0.7f, kEmptyBoxNone = 0.2f, kEmptyBoxEnd = 0.2f, kEmptyBoxNull = 0.1f;
inline constexpr float kBoxEnd = 0.2f;
inline constexpr float kRefStart = 0.6f;
inline constexpr int kBoxCandidates = 4;  // of a row, searched for a coordinate

}  // namespace la::inline LA_ABI::kernels
