#pragma once

#include <cstddef>
#include <string_view>

#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// The pattern that splits a text into words; tokens never span two words.
inline constexpr std::string_view kSplitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// The end of the word that starts at `begin` < text.size(): what kSplitPattern matches there. It matches
/// everywhere, so words tile the text.
/// cost: linear in the text when called word after word
std::size_t word_end(std::u32string_view text, std::size_t begin) noexcept;

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "pretokenize.cpp"
#endif
