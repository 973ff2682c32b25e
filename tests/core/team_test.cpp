// Also built alone with thread and address sanitizers, see tests/meson.build.
#include "la/core/team.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "la/core/error.hpp"

#if defined(__SANITIZE_THREAD__)
#define LA_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LA_THREAD_SANITIZER
#endif
#endif

using la::i64;
using la::Phase;
using la::Team;

namespace {

std::vector<int> counted(Team& team, i64 n) {
  std::vector<int> times(std::size_t(n), 0);
  team.run(Phase(n, 1, [&](i64 begin, i64 end, int) {
    for (i64 i = begin; i < end; ++i) ++times[std::size_t(i)];
  }));
  return times;
}

std::vector<int> once(i64 n) {
  return std::vector<int>(std::size_t(n), 1);
}

i64 threads_of_this_process() {
  i64 count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

/// Runs body in a child; true when it returned true.
template <class Body>
bool in_child(const Body& body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(20);
    bool good = false;
    try {
      good = body();
    } catch (...) {
    }
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("team: a worker's pieces shrink, the phases follow one another, every item once") {
  for (const int width : {1, 2, 3, 5, 16, 61}) {
    Team team(width);
    CHECK(team.width() == width);
    for (const i64 n : {0, 1, 7, 8, 9, 1000}) {
      CAPTURE(n);
      CAPTURE(width);
      std::vector<std::atomic<int>> first(static_cast<std::size_t>(n)), second(static_cast<std::size_t>(n));
      std::atomic<i64> pieces = 0, done = 0;
      std::atomic<bool> early = false, small = false;
      const auto a = [&](i64 begin, i64 end, int worker) {
        ++pieces;
        if ((end - begin < 8 && end != n) || worker >= width) small = true;
        for (i64 i = begin; i < end; ++i) ++first[std::size_t(i)];
        done += end - begin;
      };
      const auto nothing = [&](i64, i64, int) { early = true; };
      const auto b = [&](i64 begin, i64 end, int) {
        if (done != n) early = true;
        for (i64 i = begin; i < end; ++i) ++second[std::size_t(i)];
      };
      const Phase phases[] = {Phase(n, 8, a), Phase(0, 1, nothing), Phase(n, 1, b)};
      team.run(phases, width);
      CHECK_FALSE(early);
      CHECK_FALSE(small);
      for (std::size_t i = 0; i < std::size_t(n); ++i) {
        CHECK(first[i] == 1);
        CHECK(second[i] == 1);
      }
      CHECK(pieces <= n / 8 + 1);
      if (width == 1) CHECK(pieces == (n > 0));
    }
  }
}

TEST_CASE("team: items that others wait for are dealt one by one") {
  Team team(4);
  std::vector<std::atomic<i64>> sizes(100);
  team.run(Phase(
               100, 2, [&](i64 begin, i64 end, int) { sizes[std::size_t(begin)] = end - begin; }, 5),
           4);
  for (std::size_t i = 0; i < 5; ++i) CHECK(sizes[i] == 1);
  CHECK(sizes[5] == 95 / 8);
}

TEST_CASE("team: regions of any width make and end no thread") {
  const i64 before = Team::threads_made(), present = threads_of_this_process();
  {
    Team team(16);
    for (int round = 0; round < 300; ++round) {
      std::atomic<int> widest = 0;
      team.run(Phase(1000, 1,
                     [&](i64, i64, int worker) {
                       int seen = widest;
                       while (worker > seen && !widest.compare_exchange_weak(seen, worker)) {
                       }
                     }),
               1 + round % 17);
      CHECK(widest < 16);
    }
    CHECK(Team::threads_made() - before == 15);
    CHECK(threads_of_this_process() - present == 15);
  }
  CHECK(threads_of_this_process() == present);
}

TEST_CASE("team: at most as many work as the region asks for") {
  Team team(8);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> at_once = 0, most = 0;
    team.run(Phase(50, 1,
                   [&](i64, i64, int) {
                     const int now = ++at_once;
                     int seen = most;
                     while (now > seen && !most.compare_exchange_weak(seen, now)) {
                     }
                     std::this_thread::yield();
                     --at_once;
                   }),
             3);
    CHECK(most <= 3);
  }
}

TEST_CASE("team: several work, when there is enough for them") {
  Team team(4);
  std::atomic<unsigned> workers = 0;
  team.run(Phase(4, 1, [&](i64, i64, int worker) {
    workers |= 1u << worker;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while ((workers & (workers - 1)) == 0 && std::chrono::steady_clock::now() < until)
      std::this_thread::yield();
  }));
  CHECK((workers & (workers - 1)) != 0);
}

TEST_CASE("team: regions find it spinning or asleep") {
  Team team(3);
  for (int round = 0; round < 50; ++round) {
    CHECK(counted(team, 100) == once(100));
    std::this_thread::sleep_for(std::chrono::microseconds(round * 10));
  }
}

TEST_CASE("team: a body's exception arrives, what has not begun is left out, the next region works") {
  Team team(4);
  for (const i64 thrower : {0, 1, 99}) {
    std::atomic<int> second = 0;
    const auto fails = [&](i64 begin, i64 end, int) {
      if (begin <= thrower && thrower < end) throw std::runtime_error("worker");
    };
    const auto follows = [&](i64, i64, int) { ++second; };
    const Phase phases[] = {Phase(100, 1, fails), Phase(100, 1, follows)};
    CHECK_THROWS_WITH_AS(team.run(phases, 4), "worker", std::runtime_error);
    CHECK(second == 0);
    CHECK(counted(team, 100) == once(100));
  }
  CHECK_THROWS_AS(team.run(Phase(8, 1, [](i64, i64, int) { throw std::runtime_error("all"); })),
                  std::runtime_error);
}

TEST_CASE("team: whoever finds it at work does its own region alone") {
  Team team(3);
  std::vector<std::thread> users;
  std::atomic<int> wrong = 0;
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&] {
      for (int round = 0; round < 200; ++round) wrong += counted(team, 100) != once(100);
    });
  for (std::thread& user : users) user.join();
  CHECK(wrong == 0);
  std::atomic<int> inner = 0;
  team.run(Phase(3, 1, [&](i64 begin, i64 end, int) {
    team.run(Phase(10, 1, [&](i64 b, i64 e, int) { inner += int((e - b) * (end - begin)); }));
  }));
  CHECK(inner == 30);
}

TEST_CASE("team: its threads take no signal of the program's") {
  Team team(2);
  static std::atomic<pid_t> taker = 0;
  struct sigaction action = {}, before = {};
  action.sa_handler = [](int) { taker = ::gettid(); };
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &one, nullptr);
  ::kill(::getpid(), SIGUSR1);
  CHECK(counted(team, 100) == once(100));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(taker == 0);
  ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  CHECK(taker == ::gettid());
  ::sigaction(SIGUSR1, &before, nullptr);
}

#if !defined(LA_THREAD_SANITIZER)  // which allows no threads after fork()

TEST_CASE("team: a child of fork() has its own threads, and its parent keeps its own") {
  Team team(3);
  CHECK(counted(team, 100) == once(100));
  const auto works = [&] {
    const i64 made = Team::threads_made();
    for (int round = 0; round < 20; ++round)
      if (counted(team, 100) != once(100)) return false;
    return Team::threads_made() - made == 2 && threads_of_this_process() == 3;
  };
  CHECK(in_child(works));
  CHECK(in_child([&] { return works() && in_child([&] { return works(); }); }));
  CHECK(in_child([] { return Team(2).width() == 2; }));
  CHECK(counted(team, 100) == once(100));
}

TEST_CASE("team: a child that never uses the parent's team can end it") {
  auto team = std::make_unique<Team>(4);
  CHECK(counted(*team, 10) == once(10));
  CHECK(in_child([&] {
    team.reset();
    return true;
  }));
}

TEST_CASE("team: fork() while another thread runs a region") {
  Team team(3);
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    while (!stop) counted(team, 1000);
  });
  int good = 0;
  for (int round = 0; round < 20; ++round) good += in_child([&] { return counted(team, 100) == once(100); });
  stop = true;
  busy.join();
  CHECK(good == 20);
}

TEST_CASE("team: no more threads is an error that says so") {
  CHECK(in_child([] {
    rlimit none{0, 0};
    if (::setrlimit(RLIMIT_NPROC, &none) != 0) return false;
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0))
      return false;  // root has no limit
    try {
      Team team(4);
    } catch (const la::Error& error) {
      return std::string(error.what()).starts_with("threads: expected 3 more, the system gave 0: ");
    }
    return false;
  }));
  CHECK_THROWS_WITH_AS(Team(70000), "threads: expected at most 65535, found 70000", la::Error);
}

#endif
