#pragma once

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <string>
#include <vector>

// What a region of one thread's measured pieces takes on workers that are not here.
namespace la::scaling {

/// The pieces of a phase in the order in which they are dealt. units: seconds on one thread
using Pieces = std::vector<double>;

struct Region {
  std::string op;
  int workers = 1;   ///< that it was dealt for; 1: nobody waits for anybody
  double bytes = 0;  ///< of weights that it reads
  std::vector<Pieces> phases{};

  double work() const {
    double sum = 0;
    for (const Pieces& phase : phases) sum = std::accumulate(phase.begin(), phase.end(), sum);
    return sum;
  }
  int barriers() const {
    return workers < 2 ? 0 : int(std::ranges::count_if(phases, [](const Pieces& p) { return !p.empty(); }));
  }
};

/// Of the machine that is imagined.
struct Workplace {
  double barrier = 0;        ///< seconds that a phase takes beside its pieces
  double bandwidth = 1e300;  ///< bytes a second that all workers read together
  double pace = 1;           ///< of a piece there to what was noted of it
};

/// Seconds until the last piece is done: each goes to the worker that is free first.
inline double makespan(const Pieces& pieces, int workers) {
  std::priority_queue<double, std::vector<double>, std::greater<>> free;
  for (int worker = 0; worker < workers; ++worker) free.push(0);
  double last = 0;
  for (const double piece : pieces) {
    const double end = free.top() + piece;
    free.pop();
    free.push(end);
    last = std::max(last, end);
  }
  return last;
}

/// Seconds of the region. Each phase reads its share of the weights, by its work, no faster than memory gives them.
inline double replay(const Region& region, const Workplace& place) {
  const double all = region.work();
  double seconds = region.barriers() * place.barrier;
  for (const Pieces& phase : region.phases) {
    const double work = std::accumulate(phase.begin(), phase.end(), 0.0);
    if (work > 0)
      seconds += std::max(place.pace * makespan(phase, region.workers),
                          region.bytes * (work / all) / place.bandwidth);
  }
  return seconds;
}

/// One stage: its regions, and what the calling thread did between them.
struct Stage {
  std::vector<Region> regions{};
  double seconds = 0;  ///< measured, of all

  double serial() const {
    double inside = 0;
    for (const Region& region : regions) inside += region.work();
    return std::max(0.0, seconds - inside);
  }
  double bytes() const {
    double sum = 0;
    for (const Region& region : regions) sum += region.bytes;
    return sum;
  }
  /// Of each piece, and of what was done between the regions, the lesser time: a machine that others disturb does not
  /// disturb the same piece each time. `other`: the same calls once more.
  void keep_least(const Stage& other) {
    const double least_serial = std::min(serial(), other.serial());
    seconds = least_serial;
    for (std::size_t r = 0; r < regions.size(); ++r) {
      for (std::size_t p = 0; p < regions[r].phases.size(); ++p) {
        Pieces& mine = regions[r].phases[p];
        std::ranges::transform(mine, other.regions.at(r).phases.at(p), mine.begin(), std::ranges::min);
      }
      seconds += regions[r].work();
    }
  }
  double replayed(const Workplace& place) const {
    double sum = place.pace * serial();
    for (const Region& region : regions) sum += replay(region, place);
    return sum;
  }
};

struct Loss {
  std::string op{};
  double seconds = 0;  ///< of all regions of the op, beyond what they would take without waiting
};

/// The op whose regions lose most time.
inline Loss worst_loss(const Stage& stage, const Workplace& place, int workers) {
  std::vector<Loss> losses;
  for (const Region& region : stage.regions) {
    const double ideal = std::max(place.pace * region.work() / workers, region.bytes / place.bandwidth);
    auto found = std::ranges::find(losses, region.op, &Loss::op);
    if (found == losses.end()) found = losses.insert(losses.end(), Loss{region.op});
    found->seconds += replay(region, place) - ideal;
  }
  return losses.empty() ? Loss{} : *std::ranges::max_element(losses, {}, &Loss::seconds);
}

}  // namespace la::scaling
