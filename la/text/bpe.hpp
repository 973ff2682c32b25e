#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"
#include "tokenizer_files.hpp"

namespace la::inline LA_ABI {

/// A token's bytes from its text in the GPT-2 byte alphabet, in which every byte is one printable character. A text
/// with a character outside the alphabet stands for itself.
/// source: https://github.com/openai/gpt-2, src/encoder.py, bytes_to_unicode
std::string from_byte_alphabet(std::string_view text);

/// From pairs of token ids to the rank of their merge: open addressing, at most half full.
class MergeRanks {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  explicit MergeRanks(std::size_t count = 0);
  /// Stores the rank unless the pair has one; returns the pair's rank before.
  std::uint32_t insert(std::int32_t left, std::int32_t right, std::uint32_t rank) noexcept;
  std::uint32_t find(std::int32_t left, std::int32_t right) const noexcept;

 private:
  struct Slot {
    std::int32_t left, right;
    std::uint32_t rank;
  };
  std::size_t probe(std::int32_t left, std::int32_t right) const noexcept;

  std::vector<Slot> slots_;  // a power of two
};

/// Byte-level byte-pair encoding: a word starts as its bytes, and of all neighbours the pair of the lowest rank (the
/// leftmost of these) is merged until none has a rank.
class Bpe {
 public:
  Bpe() = default;
  /// error: a text or merge that occurs twice, a byte without a token, a merge of or to an unknown token
  explicit Bpe(const TokenizerFiles& files);

  /// Appends the tokens of a word.
  /// cost: O(n log n)
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

 private:
  struct Merge {
    std::int32_t left, right, result;
  };

  std::array<std::int32_t, 256> byte_ids_{};
  std::vector<Merge> merges_;  // by rank
  MergeRanks ranks_;
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "bpe.cpp"
#endif
