#include "bpe.hpp"

#include <bit>
#include <cstddef>
#include <functional>
#include <optional>
#include <queue>

#include "../core/error.hpp"
#include "unicode.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// Bytes that print in Latin-1 are their own character; the other 68 are U+0100 and up, in order.
inline constexpr bool byte_is_printable(unsigned byte) noexcept {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
}

inline constexpr std::array<char32_t, 256> kByteAlphabet = [] {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) table[byte] = byte_is_printable(byte) ? char32_t(byte) : next++;
  return table;
}();

inline std::optional<std::uint8_t> byte_of_character(char32_t code) noexcept {
  if (code < 256) return byte_is_printable(code) ? std::optional(std::uint8_t(code)) : std::nullopt;
  static constexpr std::array<std::uint8_t, 68> kUnprintable = [] {
    std::array<std::uint8_t, 68> table{};
    for (unsigned byte = 0; byte < 256; ++byte) {
      if (!byte_is_printable(byte)) table[kByteAlphabet[byte] - 0x100] = std::uint8_t(byte);
    }
    return table;
  }();
  return code < 0x100 + kUnprintable.size() ? std::optional(kUnprintable[code - 0x100]) : std::nullopt;
}

/// Token ids by text, while a vocabulary is being read: open addressing, at most half full, as the hundreds of
/// thousands of look-ups are most of the time it takes to load a tokenizer.
class TokenIds {
 public:
  explicit TokenIds(const TokenizerFiles& files)
      : tokens_(files.vocabulary), slots_(std::bit_ceil(2 * tokens_.size() + 1)) {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const std::uint32_t hash = hash_of(tokens_[i].text);
      Slot& slot = slots_[probe(tokens_[i].text, hash)];
      require(slot.index < 0, files.vocabulary_path, ": token \"", tokens_[i].text, "\": occurs twice");
      slot = {hash, std::int32_t(i)};
    }
  }

  /// -1 when there is no such token
  std::int32_t find(std::string_view text) const noexcept {
    const std::int32_t index = slots_[probe(text, hash_of(text))].index;
    return index < 0 ? -1 : tokens_[std::size_t(index)].id;
  }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::int32_t index = -1;
  };

  static std::uint32_t hash_of(std::string_view text) noexcept {
    return std::uint32_t(std::hash<std::string_view>{}(text));
  }

  std::size_t probe(std::string_view text, std::uint32_t hash) const noexcept {
    std::size_t at = hash & (slots_.size() - 1);
    const auto taken = [&](const Slot& slot) {
      return slot.index >= 0 && (slot.hash != hash || tokens_[std::size_t(slot.index)].text != text);
    };
    while (taken(slots_[at])) {
      at = (at + 1) & (slots_.size() - 1);
    }
    return at;
  }

  const std::vector<TokenizerFiles::Token>& tokens_;
  std::vector<Slot> slots_;  // a power of two
};

/// The start of a token's text: two long ones would leave a message no room to say what is wrong with them.
inline std::string token_start(std::string_view text) {
  constexpr std::size_t kShown = 200;
  return text.size() <= kShown ? std::string(text) : to_valid_utf8(text.substr(0, kShown)) + "...";
}

/// A word while it is merged: a linked list of tokens in the array of its bytes. A token that was merged into its
/// left neighbour has the id -1.
struct BpeSymbol {
  std::int32_t id;
  std::int32_t previous, next;  // -1 at the ends
};

/// A pair that had this rank when it was found; it is stale when a merge has since taken one of its tokens.
struct BpeCandidate {
  std::uint32_t rank;
  std::int32_t left;

  bool operator>(const BpeCandidate& other) const noexcept {
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

}  // namespace detail

LA_INLINE std::string from_byte_alphabet(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    const auto byte = detail::byte_of_character(step.code);
    if (!step.valid || !byte) return std::string(text);
    bytes.push_back(char(*byte));
    at += step.length;
  }
  return bytes;
}

LA_INLINE MergeRanks::MergeRanks(std::size_t count)
    : slots_(std::bit_ceil(2 * count + 1), Slot{-1, -1, kNone}) {}

LA_INLINE std::size_t MergeRanks::probe(std::int32_t left, std::int32_t right) const noexcept {
  const std::uint64_t key = std::uint64_t(std::uint32_t(left)) << 32 | std::uint32_t(right);
  std::size_t slot = std::size_t((key * 0x9e3779b97f4a7c15u) >> 32) & (slots_.size() - 1);
  while (slots_[slot].rank != kNone && (slots_[slot].left != left || slots_[slot].right != right)) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

LA_INLINE std::uint32_t MergeRanks::insert(std::int32_t left, std::int32_t right,
                                           std::uint32_t rank) noexcept {
  Slot& slot = slots_[probe(left, right)];
  const std::uint32_t before = slot.rank;
  if (before == kNone) slot = {left, right, rank};
  return before;
}

LA_INLINE std::uint32_t MergeRanks::find(std::int32_t left, std::int32_t right) const noexcept {
  return slots_[probe(left, right)].rank;
}

LA_INLINE Bpe::Bpe(const TokenizerFiles& files) : ranks_(files.merges.size()) {
  const detail::TokenIds ids(files);
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string character;
    append_utf8(character, detail::kByteAlphabet[byte]);
    byte_ids_[byte] = ids.find(character);
    require(byte_ids_[byte] >= 0, files.vocabulary_path, ": expected a token \"", character,
            "\" for the byte ", byte, ", found none");
  }
  merges_.reserve(files.merges.size());
  std::string joined;
  for (const auto& [left, right] : files.merges) {
    joined.assign(left).append(right);
    const Merge merge{ids.find(left), ids.find(right), ids.find(joined)};
    const std::size_t rank = merges_.size();
    if (merge.left < 0 || merge.right < 0 || merge.result < 0) {
      const std::string& unknown = merge.left < 0 ? left : merge.right < 0 ? right : joined;
      fail(files.merges_path, ": merge ", rank, " \"", detail::token_start(left), " ",
           detail::token_start(right), "\": no token \"", detail::token_start(unknown), "\" in ",
           files.vocabulary_path);
    }
    const std::uint32_t earlier = ranks_.insert(merge.left, merge.right, std::uint32_t(rank));
    require(earlier == MergeRanks::kNone, files.merges_path, ": merge ", rank, " \"", left, " ", right,
            "\": occurs before as merge ", earlier);
    merges_.push_back(merge);
  }
}

LA_INLINE void Bpe::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  const auto size = std::int32_t(word.size());
  std::vector<detail::BpeSymbol> symbols(word.size());
  std::priority_queue<detail::BpeCandidate, std::vector<detail::BpeCandidate>, std::greater<>> candidates;
  const auto symbol = [&](std::int32_t i) -> detail::BpeSymbol& { return symbols[std::size_t(i)]; };
  const auto consider = [&](std::int32_t left) {
    if (left < 0 || symbol(left).next < 0) return;
    const std::uint32_t rank = ranks_.find(symbol(left).id, symbol(symbol(left).next).id);
    if (rank != MergeRanks::kNone) candidates.push({rank, left});
  };

  for (std::int32_t i = 0; i < size; ++i) {
    symbol(i) = {byte_ids_[static_cast<std::uint8_t>(word[std::size_t(i)])], i - 1,
                 i + 1 < size ? i + 1 : -1};
  }
  for (std::int32_t i = 0; i + 1 < size; ++i) consider(i);

  while (!candidates.empty()) {
    const auto [rank, at] = candidates.top();
    candidates.pop();
    const Merge& merge = merges_[rank];
    detail::BpeSymbol& left = symbol(at);
    if (left.id != merge.left || left.next < 0 || symbol(left.next).id != merge.right) continue;
    detail::BpeSymbol& right = symbol(left.next);
    left.id = merge.result;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbol(left.next).previous = at;
    consider(left.previous);
    consider(at);
  }
  for (std::int32_t i = 0; i >= 0 && i < size; i = symbol(i).next) ids.push_back(symbol(i).id);
}

}  // namespace la::inline LA_ABI
