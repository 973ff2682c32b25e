#include <doctest/doctest.h>

#include <mutex>
#include <thread>

#include "benchmarks/scaling/teams.hpp"

namespace la::scaling {
namespace {

TEST_CASE("scaling: pieces go to the worker that is free first") {
  CHECK(makespan({}, 3) == 0);
  CHECK(makespan({3, 1, 1, 1}, 1) == 6);
  CHECK(makespan({3, 1, 1, 1}, 2) == 3);
  CHECK(makespan({1, 1, 1, 3}, 2) == 4);
  CHECK(makespan({1, 1}, 64) == 1);
}

TEST_CASE("scaling: a region costs its phases, a barrier each, and what memory gives") {
  const Region region{"linear", 2, 54, {{1, 1}, {}, {4, 4, 4, 4}}};
  CHECK(region.work() == 18);
  CHECK(region.barriers() == 2);
  CHECK(replay(region, {}) == 9);
  CHECK(replay(region, {0.5}) == 10);
  CHECK(replay(region, {0.5, 3}) == 19);  // 6 bytes in the one phase, 48 in the other
  const Region alone{"norm", 1, 0, {{1, 1}}};
  CHECK(alone.barriers() == 0);
  CHECK(replay(alone, {0.5}) == 2);

  const Stage stage{{region, alone, alone}, 25};
  CHECK(stage.serial() == 3);
  CHECK(stage.replayed({0.5, 3}) == 3 + 19 + 2 * 2);
  CHECK(worst_loss(stage, {2, 3}, 2).op == "linear");
  CHECK(worst_loss(stage, {}, 2).op == "norm");
  CHECK(worst_loss(stage, {}, 2).seconds == 2);
  // Pieces and what is between them take twice as long, barriers and reads do not.
  CHECK(stage.replayed({0.5, 3, 2}) == 2 * 3 + (1 + 2 + 16) + 2 * 2 * 2);
}

TEST_CASE("scaling: of two rehearsals the lesser time of each piece counts") {
  Stage stage{{{"linear", 2, 0, {{1, 5}, {2}}}}, 10};
  stage.keep_least({{{"linear", 2, 0, {{3, 1}, {4}}}}, 9});
  CHECK(stage.regions[0].phases == std::vector<Pieces>{{1, 1}, {2}});
  CHECK(stage.serial() == 1);
  CHECK(stage.seconds == 5);
}

TEST_CASE("scaling: a rehearsal has the pieces of the team that it stands for") {
  const auto pieces_of = [](Team& team, int workers) {
    std::vector<std::pair<i64, i64>> pieces;
    std::mutex mutex;
    team.run(Phase(1000, 3,
                   [&](i64 begin, i64 end, int) {
                     const std::lock_guard lock(mutex);
                     pieces.emplace_back(begin, end);
                   }),
             workers);
    std::ranges::sort(pieces);
    return pieces;
  };
  for (const int workers : {1, 2, 5, 9}) {
    MeasuringTeam real(5);
    RehearsingTeam rehearsed(5);
    CHECK(pieces_of(real, workers) == pieces_of(rehearsed, workers));
    CHECK(real.barriers == (workers > 1));
    REQUIRE(rehearsed.regions.size() == 1);
    CHECK(rehearsed.regions[0].workers == std::min(workers, 5));
  }
}

TEST_CASE("scaling: the replay foretells what workers take") {
  const auto rest = [](i64 begin, i64 end, int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(end - begin));
  };
  for (const int width : {2, 5}) {
    RehearsingTeam rehearsed(width);
    double taken = 1e300, foretold = 1e300;
    Team team(width);
    for (int round = 0; round < 5; ++round) {  // the least of both: other programs may take time
      rehearsed.run(Phase(100, 4, rest));
      foretold = std::min(foretold, replay(rehearsed.regions.back(), {}));
      const double start = seconds_now();
      team.run(Phase(100, 4, rest));
      taken = std::min(taken, seconds_now() - start);
    }
    CHECK(foretold == doctest::Approx(taken).epsilon(0.1));
  }
}

}  // namespace
}  // namespace la::scaling
