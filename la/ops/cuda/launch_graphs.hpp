#pragma once

#include <algorithm>
#include <cstring>
#include <list>
#include <utility>
#include <vector>

#include "driver_api.hpp"

namespace la::inline LA_ABI::cuda {

/// Launches that wait to go to a card together.
struct LaunchBatch {
  /// Launches that wait at most. More would leave the card idle for long.
  static constexpr std::size_t kMost = 512;
  struct One {
    const char* kernel;
    KernelNode node;  // without its arguments
    bool dependent;   // see Launch
    std::size_t offset, bytes;
  };
  std::vector<One> launches;
  std::vector<std::byte> arguments;

  void add(void* function, const Launch& l, bool dependent, const void* from, std::size_t bytes) {
    KernelNode node;
    node.function = function;
    node.grid_x = l.grid_x;
    node.grid_y = l.grid_y;
    node.block_x = l.threads;
    node.shared = unsigned(l.shared);
    const std::size_t offset = (arguments.size() + 15) / 16 * 16;
    arguments.resize(offset + bytes);
    std::memcpy(arguments.data() + offset, from, bytes);
    launches.push_back({l.kernel, node, dependent, offset, bytes});
  }
  void clear() noexcept {
    launches.clear();
    arguments.clear();
  }
  void* arguments_of(const One& l) const noexcept {
    return const_cast<std::byte*>(arguments.data()) + l.offset;
  }

  /// The same kernels in the same order: a graph of the one can become a graph of the other.
  bool has_kernels_of(const LaunchBatch& other) const {
    return std::equal(launches.begin(), launches.end(), other.launches.begin(), other.launches.end(),
                      [](const One& a, const One& b) {
                        return a.node.function == b.node.function && a.dependent == b.dependent &&
                               a.bytes == b.bytes;
                      });
  }
  /// Whether launch i of two batches with the same kernels differs.
  bool differs(const LaunchBatch& other, std::size_t i) const {
    const One &a = launches[i], &b = other.launches[i];
    return a.node != b.node || std::memcmp(arguments_of(a), other.arguments_of(b), a.bytes) != 0;
  }
};

/// Graphs of batches of launches. Kernels that come a second time in the same order become a graph; from then on such a batch
/// goes to the card in one call. Launches whose grid or arguments have changed since are changed in the graph first, those
/// alone. A pass of another number of rows has the same kernels and all other arguments: while there is room it gets a graph of
/// its own.
///
/// Proven on the emulated card alone: what a real driver makes of it, in time above all, was not measured.
class LaunchGraphs {
 public:
  /// Graphs that are kept, those used last: a block of six follows one to six tokens, and some more are for what else there is.
  static constexpr std::size_t kMost = 8;
  /// Launches of a batch that is worth a graph. A guess.
  static constexpr std::size_t kLeast = 8;

  explicit LaunchGraphs(const Api& api) : api_(api) {}
  LaunchGraphs(const LaunchGraphs&) = delete;
  LaunchGraphs& operator=(const LaunchGraphs&) = delete;
  ~LaunchGraphs() {
    for (Graph& g : graphs_) destroy(g);
  }

  /// Launches the batch, and may take it, where such a one has come before; else it is remembered, and false: the caller
  /// launches it.
  /// check: (result, what was done) throws where the result is an error
  template <class Check>
  bool launch(LaunchBatch& batch, void* stream, const Check& check) {
    if (batch.launches.size() < kLeast) return false;
    const auto known = nearest(batch);
    if (known == graphs_.end()) {
      if (graphs_.size() == kMost) {
        destroy(graphs_.back());
        graphs_.pop_back();
      }
      graphs_.emplace_front().batch = batch;
      return false;
    }
    graphs_.splice(graphs_.begin(), graphs_, known);
    Graph& graph = graphs_.front();
    const bool updated = graph.ready && update(graph, batch);
    std::swap(graph.batch, batch);
    if (!updated) build(graph, check);
    check(api_.cuGraphLaunch(graph.ready, stream), "launching a graph");
    return true;
  }

 private:
  struct Graph {
    LaunchBatch batch;                         // what it launches
    void *origin = nullptr, *ready = nullptr;  // CUgraph, CUgraphExec; null: seen once
    std::vector<void*> nodes;                  // of the origin
  };

  /// The graph with the fewest launches to change; none, where most would be and there is room for another.
  std::list<Graph>::iterator nearest(const LaunchBatch& batch) {
    auto best = graphs_.end();
    std::size_t least = 0;
    for (auto g = graphs_.begin(); g != graphs_.end(); ++g) {
      if (!g->batch.has_kernels_of(batch)) continue;
      std::size_t changes = 0;
      for (std::size_t i = 0; i < batch.launches.size(); ++i) changes += batch.differs(g->batch, i);
      if (best == graphs_.end() || changes < least) {
        best = g;
        least = changes;
      }
    }
    return 2 * least > batch.launches.size() && graphs_.size() < kMost ? graphs_.end() : best;
  }

  void destroy(Graph& g) noexcept {
    if (g.ready) static_cast<void>(api_.cuGraphExecDestroy(g.ready));
    if (g.origin) static_cast<void>(api_.cuGraphDestroy(g.origin));
    g.ready = g.origin = nullptr;
    g.nodes.clear();
  }

  /// A chain of the batch's launches. A dependent one may start before the one before it has ended, as in a stream, where the
  /// driver knows such edges (CUDA 12.3 on).
  template <class Check>
  void build(Graph& g, const Check& check) {
    destroy(g);
    check(api_.cuGraphCreate(&g.origin, 0), "making a graph");
    for (const LaunchBatch::One& l : g.batch.launches) {
      void* node = nullptr;
      void* parameters[] = {g.batch.arguments_of(l)};
      KernelNode with_arguments = l.node;
      with_arguments.parameters = parameters;
      void* const* before = g.nodes.empty() ? nullptr : &g.nodes.back();
      const bool early = l.dependent && before && api_.cuGraphAddDependencies_v2;
      check(api_.cuGraphAddKernelNode(&node, g.origin, early ? nullptr : before, before && !early,
                                      &with_arguments),
            l.kernel);
      if (early) {
        const GraphEdge edge{kPortProgrammatic, 0, kEdgeProgrammatic, {}};
        check(api_.cuGraphAddDependencies_v2(g.origin, before, &node, &edge, 1), l.kernel);
      }
      g.nodes.push_back(node);
    }
    check(api_.cuGraphInstantiateWithFlags(&g.ready, g.origin, 0), "preparing a graph");
  }

  /// False: the driver has refused a change; the graph is to be built anew.
  bool update(const Graph& g, const LaunchBatch& batch) {
    for (std::size_t i = 0; i < batch.launches.size(); ++i) {
      if (!batch.differs(g.batch, i)) continue;
      const LaunchBatch::One& l = batch.launches[i];
      void* parameters[] = {batch.arguments_of(l)};
      KernelNode with_arguments = l.node;
      with_arguments.parameters = parameters;
      if (api_.cuGraphExecKernelNodeSetParams(g.ready, g.nodes[i], &with_arguments) != 0) return false;
    }
    return true;
  }

  const Api& api_;
  std::list<Graph> graphs_;  // used last first
};

}  // namespace la::inline LA_ABI::cuda
