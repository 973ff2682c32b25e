#include "la/core/parallel.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

using la::i64;

TEST_CASE("parallel: every item is done once, with any team and without one; an error comes out") {
  for (const int width : {0, 1, 2, 3, 16}) {
    la::Team team(width > 0 ? width : 1);
    la::Team* const given = width > 0 ? &team : nullptr;
    for (const i64 n : {0, 1, 2, 7, 1000}) {
      CAPTURE(n);
      CAPTURE(width);
      std::vector<int> times(std::size_t(n), 0);
      la::parallel_for(n, given, [&](i64 begin, i64 end, int worker) {
        CHECK((begin < end && worker >= 0 && worker < team.width()));
        for (i64 i = begin; i < end; ++i) ++times[std::size_t(i)];
      });
      CHECK(times == std::vector<int>(std::size_t(n), 1));
    }
    CHECK_THROWS_AS(la::parallel_for(4, given, [](i64, i64, int) { throw std::runtime_error("inside"); }),
                    std::runtime_error);
  }
}

TEST_CASE("parallel: shares are contiguous and cover everything") {
  for (const i64 n : {0, 1, 5, 100})
    for (const i64 count : {1, 3, 7}) {
      i64 next = 0;
      for (i64 index = 0; index < count; ++index) {
        const auto [begin, end] = la::share(n, index, count);
        CHECK(begin == next);
        CHECK(end - begin <= n / count + 1);
        next = end;
      }
      CHECK(next == n);
    }
}
