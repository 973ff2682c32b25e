#include "../../la/session/prefix_cache.hpp"
#include "../../la/ops/ops_check.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../../la/ops/ops_reference.hpp"
#include "decoder.hpp"

// Keys and values that several sequences share.
namespace la::test {
namespace {

template <class Body>
void on_every_backend(const Body& body) {
  body(make_cpu_ops());
  body(make_reference_ops());
  body(make_check_ops(make_cpu_ops(), make_reference_ops()));
}

}  // namespace

TEST_CASE("fork: a forked sequence and its source go on as if each were alone") {
  on_every_backend([](std::unique_ptr<Ops> ops) {
    Decoder d(std::move(ops));
    check_forks(d, 150, {1, 63, 64, 65, 128, 149});
  });
}

TEST_CASE("fork: a source that is cut back and goes on elsewhere leaves its forks alone") {
  on_every_backend([](std::unique_ptr<Ops> ops) {
    Decoder d(std::move(ops));
    const auto ids = d.tokens(150, 71), other = d.tokens(70, 29);
    const auto alone = d.language.make_cache();
    const auto longer = joined(ids, 140, other), elsewhere = joined(ids, 10, other);
    const auto want = d.logits(*alone, longer, true);
    const auto fresh = d.language.make_cache();
    const auto want_elsewhere = d.logits(*fresh, elsewhere, false);

    auto cache = d.language.make_cache();
    d.logits(*cache, ids, false);
    const auto forked = cache->fork(140);
    cache->truncate(10);
    CHECK(d.logits(*cache, elsewhere, false) == want_elsewhere);
    cache.reset();
    CHECK(d.logits(*forked, longer, true) == want);
  });
}

TEST_CASE("fork: a fork takes memory for its last page alone") {
  const auto ops = make_cpu_ops();
  const auto cache = ops->make_kv_cache({2, 3, 8});
  const std::size_t page = cache->own_bytes(1, 0);
  CHECK(page == 2 * 3 * 64 * (8 + 16) * sizeof(float));  // V in whole panels of 16
  CHECK(cache->own_bytes(64, 0) == page);
  CHECK(cache->own_bytes(65, 0) == 2 * page);
  CHECK(cache->own_bytes(200, 128) == 2 * page);
  CHECK(cache->own_bytes(200, 130) == 2 * page);
  CHECK(cache->own_bytes(200, 200) == page);
}

TEST_CASE("prefix: the common part ends at the first token or picture that differs") {
  const auto a = std::make_shared<std::byte>(), b = std::make_shared<std::byte>();
  const std::vector<std::int32_t> ids{1, 2, 9, 9, 3, 4}, longer{1, 2, 9, 9, 3, 4, 5}, other{1, 2, 9, 9, 7};
  const std::vector<PlacedImage> at_a{{a, 2, 2}}, at_b{{b, 2, 2}}, wide{{a, 2, 1}};
  CHECK(common_prefix({ids, at_a}, {longer, at_a}) == 6);
  CHECK(common_prefix({ids, at_a}, {other, at_a}) == 4);
  CHECK(common_prefix({ids, at_a}, {ids, at_b}) == 2);
  CHECK(common_prefix({ids, at_a}, {ids, wide}) == 2);
  CHECK(common_prefix({ids, at_a}, {ids, {}}) == 2);
  CHECK(common_prefix({ids, {}}, {{}, {}}) == 0);
}

TEST_CASE("prefix: the last of each picture is kept, the oldest goes first") {
  KvBudget budget(100);
  PrefixCache cache(2);
  std::vector<std::shared_ptr<std::byte>> images;
  for (int i = 0; i < 3; ++i) images.push_back(std::make_shared<std::byte>());
  const auto keep = [&](std::size_t image, std::vector<std::int32_t> ids) {
    auto prefix = std::make_shared<Prefix>();
    prefix->charge = *budget.take(10);
    prefix->ids = std::move(ids);
    prefix->images = {{images[image], 1, 1}};
    cache.keep(std::move(prefix));
    cache.trim();
  };
  const auto shared = [&](std::size_t image, std::vector<std::int32_t> ids) {
    const std::vector<PlacedImage> at{{images[image], 1, 1}};
    return cache.find({ids, at}).tokens;
  };
  keep(0, {1, 9, 3, 4});
  CHECK(shared(0, {1, 9, 3, 5}) == 3);
  CHECK(shared(0, {1, 9, 3, 4}) == 3);  // never all of it
  CHECK(shared(1, {1, 9, 3, 4}) == 1);
  keep(0, {1, 9, 6});
  CHECK(shared(0, {1, 9, 3, 5}) == 2);
  CHECK(budget.used() == 10);
  keep(1, {1, 9, 3});
  CHECK(shared(0, {1, 9, 6, 6}) == 3);  // which makes 1 the older
  keep(2, {1, 9, 3});
  CHECK(shared(1, {1, 9, 3, 4}) == 1);
  CHECK(shared(0, {1, 9, 6, 6}) == 3);
  images[0].reset();
  cache.trim();
  CHECK(budget.used() == 10);
  CHECK(cache.drop_oldest(nullptr));
  CHECK_FALSE(cache.drop_oldest(nullptr));
  CHECK(budget.used() == 0);
  CHECK(budget.peak() == 30);
}

}  // namespace la::test
