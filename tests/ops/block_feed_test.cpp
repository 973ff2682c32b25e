#include "../../la/ops/block_feed.hpp"

#include <array>
#include <set>
#include <utility>
#include <vector>

#include "../support.hpp"
#include "block_cases.hpp"

// What a pass feeds behind a block that nobody has read.
namespace la::test {
namespace {

using Mask = std::array<std::int32_t, 3>;

std::vector<Mask> masks_of(const std::vector<kernels::KeyMask>& visible) {
  std::vector<Mask> masks;
  for (const kernels::KeyMask& m : visible) masks.push_back({m.prefix, m.window_begin, m.window_end});
  return masks;
}

/// Summaries of rows that each of these ids has to itself.
std::vector<float> sure_rows(const std::array<std::int32_t, 6>& ids) {
  std::vector<float> all;
  for (const std::int32_t id : ids) {
    float row[kCaseFloats] = {float(id), 1, 2, 4, 5, 1};
    all.insert(all.end(), row, row + kCaseFloats);
  }
  return all;
}

HostFeed feed_of(const std::vector<float>& summaries, const std::vector<PendingBlock>& blocks) {
  HostFeed feed(i64(blocks.size()));
  write_block_feed(ConstMatrix(summaries.data(), {i64(summaries.size()) / kCaseFloats, kCaseFloats}), blocks,
                   block_tokens(), feed.view());
  return feed;
}

}  // namespace

TEST_CASE("block feed: the tokens, causal, then a window whose last rows nobody sees") {
  // A point of four tokens behind 50, and behind 7 of another sequence a word.
  std::vector<float> summaries = sure_rows({111, 104, 9, 9, 9, 9});
  const std::vector<float> point = sure_rows({100, 9, 80, 101, 104, 104});
  summaries.insert(summaries.end(), point.begin(), point.end());
  const HostFeed feed = feed_of(summaries, {{6, 50}, {0, 7}});
  CHECK(feed.ids == std::vector<float>{100, 9,   80,  101, 101, 107, 107, 107, 107, 107, 107, 107,
                                       111, 111, 107, 107, 107, 107, 107, 107, 107, 107, 107, 107});
  // Positions 50 .. 53, then 53 once more.
  CHECK(feed.angles == std::vector<std::int32_t>{0,  1,  2,  3,  3,  4,  5,  6,  7,  8,  9,  10,
                                                 12, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22});
  const Mask first{53, 54, 60}, second{7, 8, 14};
  std::vector<Mask> masks{{51, 0, 0}, {52, 0, 0}, {53, 0, 0}, {54, 0, 0}};
  masks.insert(masks.end(), 8, first);
  masks.push_back({8, 0, 0});
  masks.insert(masks.end(), 11, second);
  CHECK(masks_of(feed.visible) == masks);
  CHECK(feed.wanted == std::vector<std::int32_t>{4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18});
  masks.assign(6, first);
  masks.insert(masks.end(), 6, second);
  CHECK(masks_of(feed.wanted_visible) == masks);
}

TEST_CASE("block feed: the cases are of every kind, read in every way, and what hybrid reads alike is fed") {
  const i64 count = 4000;
  const std::vector<float> summaries = block_cases(count, 1);
  std::set<std::pair<BlockType, std::size_t>> kinds;
  std::set<std::pair<bool, std::int32_t>> ways;
  i64 doubtful = 0;
  for (i64 b = 0; b < count; ++b) {
    BlockRows rows;
    for (i64 i = 0; i < kBlockSize; ++i) {
      const RowSummary row = read_summary(
          std::span(summaries).subspan(std::size_t((6 * b + i) * kCaseFloats), std::size_t(kCaseFloats)));
      rows[std::size_t(i)] = {row, row.best[0]};
    }
    const auto read = read_block(rows, block_tokens(), Mode::fast);
    ways.insert({read.has_value(), read ? (*read)[0].id : 0});
    const BlockOutput fast = decode_block(rows, block_tokens(), Mode::fast),
                      hybrid = decode_block(rows, block_tokens(), Mode::hybrid);
    kinds.insert({fast.type, fast.tokens.size()});
    doubtful += hybrid.switches_to_ar();
    const HostFeed feed = feed_of(summaries, {{std::int32_t(6 * b), 50}});
    REQUIRE(feed.wanted[0] == i64(fast.tokens.size()));
    for (std::size_t i = 0; i < fast.tokens.size(); ++i) {
      REQUIRE(feed.ids[i] == float(fast.tokens[i].id));
      if (!hybrid.switches_to_ar()) REQUIRE(hybrid.tokens[i].id == fast.tokens[i].id);
    }
    if (!hybrid.switches_to_ar()) REQUIRE(hybrid.tokens.size() == fast.tokens.size());
  }
  using enum BlockType;
  for (std::size_t n = 1; n <= 6; ++n) CHECK(kinds.count({text, n}) == 1);
  CHECK(kinds.count({end, 1}) == 1);
  CHECK(kinds.count({empty_box, 3}) == 1);
  CHECK(kinds.count({point_box, 4}) == 1);
  CHECK(kinds.count({coord_box, 6}) == 1);
  CHECK(ways == std::set<std::pair<bool, std::int32_t>>{{false, 0}, {true, 100}, {true, 102}});
  CHECK(doubtful > 100);
}

}  // namespace la::test
