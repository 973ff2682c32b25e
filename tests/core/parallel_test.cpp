// Also built without OpenMP, see tests/meson.build: the contract is the same on std::threads.
#include "la/core/parallel.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <thread>
#include <vector>

using la::i64;

namespace {

std::vector<int> counted(i64 n, int threads) {
  std::vector<int> times(std::size_t(n), 0);
  la::parallel_for(n, threads, [&](i64 begin, i64 end, int) {
    for (i64 i = begin; i < end; ++i) ++times[std::size_t(i)];
  });
  return times;
}

}  // namespace

TEST_CASE("parallel: every item is done once, on any number of threads") {
  for (const i64 n : {0, 1, 2, 7, 1000})
    for (const int threads : {1, 2, 3, 16}) {
      CAPTURE(n);
      CAPTURE(threads);
      CHECK(counted(n, threads) == std::vector<int>(std::size_t(n), 1));
    }
}

TEST_CASE("parallel: a region ends after all of its threads") {  // what they share lies on its stack
  std::atomic<int> done = 0;
  for (int round = 0; round < 1000; ++round) la::parallel_for(3, 3, [&](i64, i64, int) { ++done; });
  CHECK(done == 3000);
}

TEST_CASE("parallel: asked for several threads, several work") {
  std::atomic<int> most = 0;
  la::parallel_phases(
      4, [&](int, int count) { most = count; }, [](int, int) {});
  CHECK(most > 1);
  CHECK(most <= 4);
  CHECK(la::default_threads() >= 1);
}

TEST_CASE("parallel: the second phase sees all of the first") {
  for (int round = 0; round < 200; ++round) {
    std::vector<int> first(8, 0), sums(8, 0);
    la::parallel_phases(
        8, [&](int worker, int) { first[std::size_t(worker)] = worker + 1; },
        [&](int worker, int count) {
          for (int i = 0; i < count; ++i) sums[std::size_t(worker)] += first[std::size_t(i)];
          if (sums[std::size_t(worker)] != count * (count + 1) / 2) throw std::logic_error("an early start");
        });
  }
}

TEST_CASE("parallel: a worker's exception arrives, the second phase is left out, the next region works") {
  for (const int thrower : {0, 1}) {
    std::atomic<int> second = 0;
    const auto region = [&](int failing) {
      la::parallel_phases(
          4,
          [&](int worker, int) {
            if (worker == failing) throw std::runtime_error("worker");
          },
          [&](int, int) { ++second; });
    };
    CHECK_THROWS_WITH_AS(region(thrower), "worker", std::runtime_error);
    CHECK(second == 0);
    region(-1);
    CHECK(second > 1);
  }
  // In the second phase, by several at once.
  CHECK_THROWS_AS(la::parallel_phases(
                      4, [](int, int) {}, [](int, int) { throw std::runtime_error("all"); }),
                  std::runtime_error);
}

TEST_CASE("parallel: several threads may have regions of their own at once") {
  std::vector<std::thread> users;
  std::atomic<int> wrong = 0;
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&] {
      for (int round = 0; round < 50; ++round) wrong += counted(100, 3) != std::vector<int>(100, 1);
    });
  for (std::thread& user : users) user.join();
  CHECK(wrong == 0);
}

TEST_CASE("parallel: a dealer gives every item to one worker, in pieces that shrink") {
  for (const i64 n : {0, 1, 7, 8, 9, 1000})
    for (const int threads : {1, 2, 3, 16}) {
      CAPTURE(n);
      CAPTURE(threads);
      std::vector<std::atomic<int>> times(static_cast<std::size_t>(n));
      std::atomic<i64> pieces = 0;
      la::GuidedSchedule schedule(n, 8);
      la::parallel_phases(
          threads,
          [&](int, int workers) {
            schedule.each(workers, [&](i64 begin, i64 end) {
              ++pieces;
              CHECK((end - begin >= 8 || end == n));
              for (i64 i = begin; i < end; ++i) ++times[std::size_t(i)];
            });
          },
          [](int, int) {});
      for (const auto& time : times) CHECK(time == 1);
      CHECK(pieces <= n / 8 + 1);
      if (threads == 1) CHECK(pieces == (n > 0));
    }
}
