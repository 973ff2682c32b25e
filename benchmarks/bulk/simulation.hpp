#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <queue>
#include <vector>

#include "../../examples/batch/exchange.hpp"
#include "../../tests/scenes/scene.hpp"

// Thousands of processes by event simulation: the scheduler is that of the batch program, the costs were measured.
namespace la::bulk {

/// What a line takes, and what the scheduler knows of it.
struct Cost {
  double seconds = 0, bytes = 0;
};

struct Simulated {
  double seconds = 0;  ///< until the last line is answered
  double idle = 0;     ///< share of all processes' time
  double tail = 0;     ///< seconds from the first process that is done to the last
  double deal = 0;     ///< seconds of rank 0 a line, measured: that it takes to deal it out
};

inline Simulated summary(std::vector<double> ends) {
  const auto [first, last] = std::minmax_element(ends.begin(), ends.end());
  double busy = 0;
  for (const double end : ends) busy += end;
  return {*last, 1 - busy / (*last * double(ends.size())), *last - *first, 0};
}

/// Line i goes to process i modulo their number.
inline Simulated simulate_shards(const std::vector<Cost>& lines, int processes) {
  std::vector<double> ends(std::size_t(processes), 0.0);
  for (std::size_t i = 0; i < lines.size(); ++i) ends[i % ends.size()] += lines[i].seconds;
  return summary(std::move(ends));
}

/// Each process holds lines up to its batch size and answers one after the other.
inline Simulated simulate_deal(const std::vector<Cost>& lines, int processes, i64 batch_size) {
  struct Process {
    std::deque<std::size_t> held{};
    double end = 0;
    bool done = false;
  };
  std::size_t next = 0;
  cli::Exchange exchange(
      [&]() -> std::optional<cli::Ticket> {
        if (next == lines.size()) return std::nullopt;
        return cli::Ticket{i64(next++), {}};
      },
      [&](const cli::Ticket& ticket) { return lines[std::size_t(ticket.index)].bytes; }, processes,
      batch_size);
  std::vector<Process> all(std::size_t(processes), Process{});
  using Event = std::pair<double, std::size_t>;  // when a process answers the first line that it holds
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events;
  double dealt = 0;
  const auto fill = [&](std::size_t p, double time) {
    Process& process = all[p];
    const bool waits = process.held.empty();
    while (!process.done && i64(process.held.size()) < batch_size) {
      const auto begin = std::chrono::steady_clock::now();
      const cli::Deal deal = exchange.deal(i64(p));
      dealt += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      process.done = deal.kind == cli::Deal::Kind::done;
      if (deal.kind != cli::Deal::Kind::ticket) break;
      process.held.push_back(std::size_t(deal.ticket.index));
    }
    if (waits && !process.held.empty()) events.push({time + lines[process.held.front()].seconds, p});
  };
  for (std::size_t p = 0; p < all.size(); ++p) fill(p, 0);
  while (!events.empty()) {
    const auto [time, p] = events.top();
    events.pop();
    Process& process = all[p];
    process.end = time;
    exchange.returned(i64(p), i64(process.held.front()));
    process.held.pop_front();
    if (!process.held.empty()) events.push({time + lines[process.held.front()].seconds, p});
    fill(p, time);
  }
  std::vector<double> ends;
  for (const Process& process : all) ends.push_back(process.end);
  Simulated result = summary(std::move(ends));
  result.deal = dealt / double(lines.size());
  return result;
}

}  // namespace la::bulk
