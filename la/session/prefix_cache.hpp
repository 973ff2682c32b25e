#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "../core/inline.hpp"
#include "../ops/ops.hpp"
#include "kv_budget.hpp"

namespace la::inline LA_ABI {

/// Where a prompt takes the rows of a picture; the same memory is the same picture.
struct PlacedImage {
  std::weak_ptr<std::byte> memory;
  i64 first = 0, count = 0;
};

/// What decides the keys and values of a prompt.
struct PromptView {
  std::span<const std::int32_t> ids;
  std::span<const PlacedImage> images;
};

/// Tokens up to the first that differs, in itself or in the picture row it stands for.
i64 common_prefix(const PromptView& a, const PromptView& b) noexcept;

/// Keys and values of the start of a prompt, to be forked.
struct Prefix {
  KvBudget::Charge charge;  // given back after the cache
  std::unique_ptr<KvCache> cache;
  std::vector<std::int32_t> ids;
  std::vector<PlacedImage> images;

  PromptView view() const noexcept { return {ids, images}; }
};

/// The prefixes used last: one for each picture, or list of pictures. Rows that forked one hold it too, so that its
/// bytes stay charged as long as they are held.
class PrefixCache {
 public:
  using Handle = std::shared_ptr<const Prefix>;

  explicit PrefixCache(std::size_t entries) : entries_(entries) {}
  std::size_t capacity() const noexcept { return entries_; }

  struct Match {
    Handle prefix;   ///< null when tokens is 0
    i64 tokens = 0;  ///< that it shares with the prompt
  };
  /// The prefix that shares most of the prompt, but never all of it: a step feeds one token at least.
  Match find(const PromptView& prompt);

  /// Takes the place of an earlier prefix of the same pictures.
  void keep(Handle prefix);
  /// Drops those whose pictures are gone, and the oldest beyond the capacity.
  void trim();
  /// Drops the oldest, but not `except`; false when there is no other.
  bool drop_oldest(const Handle& except);
  void drop(const Handle& prefix) { prefixes_.remove(prefix); }

 private:
  std::size_t entries_;
  std::list<Handle> prefixes_;  // the last used first
};

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "prefix_cache.cpp"
#endif
