#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "la/core/team.hpp"
#include "la/ops/forwarding_ops.hpp"
#include "replay.hpp"

// Teams that note what they do, and the ops that name it.
namespace la::scaling {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Does everything on the calling thread, in the pieces that a team of `width` would deal, and times each.
class RehearsingTeam final : public Team {
 public:
  explicit RehearsingTeam(int width) : Team(width, WithoutThreads{}) {}

  using Team::run;
  void run(std::span<const Phase> phases, int workers) override {
    Region region{op, std::clamp(workers, 1, width())};
    for (const Phase& phase : phases) {
      Pieces& pieces = region.phases.emplace_back();
      double start = seconds_now();
      for (i64 begin = 0; begin < phase.items();) {
        const i64 end = region.workers > 1 ? piece_end(phase, begin, region.workers) : phase.items();
        phase(begin, end, 0);
        const double now = seconds_now();
        pieces.push_back(now - start);
        start = now;
        begin = end;
      }
    }
    regions.push_back(std::move(region));
  }

  /// Weights that the regions from number `first` on read, each its share by its work.
  void reads(std::size_t first, double bytes) {
    double all = 0;
    for (std::size_t i = first; i < regions.size(); ++i) all += regions[i].work();
    for (std::size_t i = first; i < regions.size(); ++i) regions[i].bytes = bytes * regions[i].work() / all;
  }

  std::string op = "other";  ///< that the regions which follow are of
  std::vector<Region> regions;
};

/// A team whose barriers are counted and whose workers' time in pieces is summed.
class MeasuringTeam final : public Team {
 public:
  explicit MeasuringTeam(int width) : Team(width) {}

  using Team::run;
  void run(std::span<const Phase> phases, int workers) override {
    workers = std::min(workers, width());
    std::atomic<i64> busy = 0;
    const auto timed = [&busy](const Phase& phase) {
      return [&busy, &phase](i64 begin, i64 end, int worker) {
        const auto start = std::chrono::steady_clock::now();
        phase(begin, end, worker);
        busy.fetch_add((std::chrono::steady_clock::now() - start) / std::chrono::nanoseconds(1),
                       std::memory_order_relaxed);
      };
    };
    std::vector<decltype(timed(phases[0]))> bodies;
    bodies.reserve(phases.size());
    std::vector<Phase> watched;
    for (const Phase& phase : phases) {
      bodies.push_back(timed(phase));
      watched.emplace_back(phase.items(), phase.min_items(), bodies.back(), phase.singly());
      barriers += workers > 1 && phase.items() > 0;
    }
    const double start = seconds_now();
    Team::run(watched, workers);
    if (workers > 1) {
      const double taken = seconds_now() - start;
      waited += taken - 1e-9 * double(busy.load()) / workers;
    }
  }

  i64 barriers = 0;
  double waited = 0;  ///< seconds in regions of several workers, less the mean of what their pieces took
};

/// Tells a rehearsing team, if there is one, which op its regions are of.
class LabelingOps final : public ForwardingOps {
 public:
  LabelingOps(std::unique_ptr<Ops> inner, RehearsingTeam* team)
      : ForwardingOps(std::move(inner)), team_(team) {}

  void linear(ConstMatrix x, const Weight& w, Matrix y, Store store) override {
    const Scope scope(team_, "linear " + std::to_string(w.inputs()) + " to " + std::to_string(w.outputs()),
                      double(w.bytes()));
    ForwardingOps::linear(x, w, y, store);
  }
  void project(ConstMatrix x, const Norm& n, Matrix h, std::span<const Projection> projections) override {
    double bytes = 0;
    for (const Projection& p : projections) bytes += double(p.weight.bytes());
    const Scope scope(team_, "project", bytes);
    inner().project(x, n, h, projections);
  }
  void mix(ConstMatrix a, const Weight& o, const FeedForward& f, Matrix h, Matrix inner_rows, Matrix wide,
           Matrix x) override {
    const Scope scope(team_, "mix", double(o.bytes() + f.in.bytes() + f.out.bytes()));
    inner().mix(a, o, f, h, inner_rows, wide, x);
  }
  void feed_forward(ConstMatrix x, const FeedForward& f, Matrix h, Matrix inner_rows, Matrix wide, Matrix y,
                    Store store) override {
    const Scope scope(team_, "feed-forward", double(f.in.bytes() + f.out.bytes()));
    inner().feed_forward(x, f, h, inner_rows, wide, y, store);
  }
  void self_attention(KvCache& cache, i64 layer, Cube q, Cube k, ConstCube v, ConstMatrix cos,
                      ConstMatrix sin, Rope layout, float scale) override {
    const Scope scope(team_, "attention");
    inner().self_attention(cache, layer, q, k, v, cos, sin, layout, scale);
  }
  void attention(ConstCube q, std::span<const KvRows> rows, List<KeyMask> visible, float scale,
                 Cube out) override {
    const Scope scope(team_, "attention");
    ForwardingOps::attention(q, rows, visible, scale, out);
  }

 private:
  class Scope {
   public:
    Scope(RehearsingTeam* team, std::string op, double bytes = 0) : team_(team), bytes_(bytes) {
      if (!team_) return;
      first_ = team_->regions.size();
      team_->op = std::move(op);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      if (!team_) return;
      team_->op = "other";
      if (bytes_ > 0) team_->reads(first_, bytes_);
    }

   private:
    RehearsingTeam* team_;
    double bytes_;
    std::size_t first_ = 0;
  };

  RehearsingTeam* team_;
};

}  // namespace la::scaling
