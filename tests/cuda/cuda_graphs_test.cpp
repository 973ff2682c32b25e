#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "../../la/core/error.hpp"
#include "../../la/ops/cuda/launch_graphs.hpp"
#include "../support.hpp"

// Batches of launches as graphs, on a driver that only writes down what it is told.
namespace la::test {
namespace {

using namespace cuda;

struct Arguments {
  int value = 0, rest = 0;
};
struct NodeOnPaper {
  std::string text;
  bool early = false;
};
/// What the driver below was told. Its functions have no other place for it.
struct Paper {
  std::vector<std::unique_ptr<NodeOnPaper>> nodes;
  std::set<void*> graphs, ready;
  std::map<void*, std::vector<NodeOnPaper*>> nodes_of;
  std::vector<std::string> launched;  // by each graph that was, its kernels
  int built = 0, changed = 0, refused = 0;
  bool refuses = false;
  long next = 1;
} paper;

std::string text_of(const KernelNode& n) {
  return std::to_string(reinterpret_cast<std::uintptr_t>(n.function)) + "x" + std::to_string(n.grid_x) + ":" +
         std::to_string(static_cast<const Arguments*>(n.parameters[0])->value);
}
void* handle() {
  return reinterpret_cast<void*>(paper.next++);
}

Api api_of_paper() {
  Api api;
  api.cuGraphCreate = [](void** graph, unsigned) {
    paper.graphs.insert(*graph = handle());
    return 0;
  };
  api.cuGraphDestroy = [](void* graph) { return paper.graphs.erase(graph) == 1 ? 0 : 1; };
  api.cuGraphAddKernelNode = [](void** node, void* graph, void* const* before, std::size_t count,
                                const KernelNode* n) {
    auto& all = paper.nodes_of[graph];
    if (count > 1 || (count == 1 && before[0] != all.back())) return 1;
    paper.nodes.push_back(std::make_unique<NodeOnPaper>(NodeOnPaper{text_of(*n)}));
    all.push_back(paper.nodes.back().get());
    *node = all.back();
    return 0;
  };
  api.cuGraphAddDependencies_v2 = [](void* graph, void* const* from, void* const* to, const GraphEdge* e,
                                     std::size_t count) {
    auto& all = paper.nodes_of[graph];
    if (count != 1 || all.size() < 2 || to[0] != all.back() || from[0] != all[all.size() - 2] ||
        e->from_port != 1 || e->to_port != 0 || e->type != 1)
      return 1;
    all.back()->early = true;
    return 0;
  };
  api.cuGraphInstantiateWithFlags = [](void** ready, void* graph, unsigned long long) {
    paper.ready.insert(*ready = handle());
    paper.nodes_of[*ready] = paper.nodes_of[graph];
    ++paper.built;
    return 0;
  };
  api.cuGraphExecKernelNodeSetParams = [](void* ready, void* node, const KernelNode* n) {
    if (paper.refuses || paper.ready.count(ready) == 0) return ++paper.refused;
    static_cast<NodeOnPaper*>(node)->text = text_of(*n);
    ++paper.changed;
    return 0;
  };
  api.cuGraphLaunch = [](void* ready, void*) {
    if (paper.ready.count(ready) == 0) return 1;
    std::string all;
    for (const NodeOnPaper* n : paper.nodes_of[ready]) all += (n->early ? "~" : " ") + n->text;
    paper.launched.push_back(all);
    return 0;
  };
  api.cuGraphExecDestroy = [](void* ready) { return paper.ready.erase(ready) == 1 ? 0 : 1; };
  return api;
}

/// As many launches as make a graph, of kernels `first`, first + 1, ..
LaunchBatch batch_of(int first, int value = 0, unsigned grid = 1) {
  LaunchBatch batch;
  for (int i = 0; i < int(LaunchGraphs::kLeast); ++i) {
    Launch l{"kernel", grid, 1, 128, 0, i != 3};
    const Arguments arguments{i == 5 ? value : 0, 0};
    batch.add(reinterpret_cast<void*>(std::intptr_t(first + i)), l, l.dependent, &arguments,
              sizeof arguments);
  }
  return batch;
}
std::string text_of(const LaunchBatch& batch) {
  std::string all;
  for (const LaunchBatch::One& l : batch.launches) {
    KernelNode n = l.node;
    void* parameters[] = {batch.arguments_of(l)};
    n.parameters = parameters;
    all += (l.dependent && &l != batch.launches.data() ? "~" : " ") + text_of(n);
  }
  return all;
}

struct Graphs {
  Graphs() { paper = {}; }
  ~Graphs() {
    graphs.reset();
    CHECK(paper.graphs.empty());
    CHECK(paper.ready.empty());
  }
  /// Whether it went as a graph, and then as the very batch.
  bool launch(LaunchBatch batch) {
    const std::string text = text_of(batch);
    const std::size_t before = paper.launched.size();
    const bool as_graph =
        graphs->launch(batch, nullptr, [](int result, const char* what) { require(result == 0, what); });
    CHECK(paper.launched.size() == before + as_graph);
    if (as_graph) CHECK(paper.launched.back() == text);
    return as_graph;
  }
  const Api api = api_of_paper();
  std::optional<LaunchGraphs> graphs{api};
};

}  // namespace

TEST_CASE("launch graphs: launches that come again are a graph, in which only what differs is changed") {
  Graphs g;
  CHECK(!g.launch(batch_of(1)));
  CHECK(g.launch(batch_of(1)));
  CHECK(g.launch(batch_of(1)));
  CHECK(paper.built == 1);
  CHECK(paper.changed == 0);
  CHECK(g.launch(batch_of(1, 7)));  // one launch has other arguments
  CHECK(paper.changed == 1);
  CHECK(g.launch(batch_of(1, 7)));
  CHECK(paper.changed == 1);
  CHECK(g.launch(batch_of(1, 8)));
  CHECK(paper.built == 1);
  CHECK(paper.changed == 2);
}

TEST_CASE("launch graphs: where most is another, the graph is, too, while there is room") {
  Graphs g;
  const auto both = [&](unsigned grid) {
    return g.launch(batch_of(1, 0, grid)) && g.launch(batch_of(1, 1, grid));
  };
  CHECK(!both(1));
  CHECK(both(1));
  CHECK(!g.launch(batch_of(1, 0, 2)));
  CHECK(both(2));
  CHECK(both(1));
  CHECK(paper.built == 2);
  for (unsigned grid = 3; grid <= LaunchGraphs::kMost; ++grid) CHECK(!g.launch(batch_of(1, 0, grid)));
  paper.changed = 0;
  CHECK(g.launch(batch_of(1, 1, 2)));
  CHECK(g.launch(batch_of(1, 1, 99)));
  CHECK(paper.changed == int(LaunchGraphs::kLeast));
  CHECK(paper.built == 2);
}

TEST_CASE("launch graphs: those used last are kept") {
  Graphs g;
  const int most = int(LaunchGraphs::kMost);
  for (int i = 0; i < most; ++i) {
    CHECK(!g.launch(batch_of(100 * i)));
    CHECK(g.launch(batch_of(100 * i)));
  }
  CHECK(g.launch(batch_of(0)));
  CHECK(!g.launch(batch_of(100 * most)));  // takes the place of 100
  CHECK(paper.ready.size() == std::size_t(most - 1));
  CHECK(g.launch(batch_of(0)));
  CHECK(g.launch(batch_of(200)));
  CHECK(!g.launch(batch_of(100)));
}

TEST_CASE(
    "launch graphs: another order, other waits and other arguments are other graphs, few launches none") {
  Graphs g;
  CHECK(!g.launch(batch_of(1)));
  LaunchBatch other = batch_of(1);
  std::swap(other.launches[1], other.launches[2]);
  CHECK(!g.launch(other));
  other = batch_of(1);
  other.launches[4].dependent = false;
  CHECK(!g.launch(other));
  other = batch_of(1);
  other.launches.pop_back();
  CHECK(!g.launch(other));
  CHECK(!g.launch(other));
  CHECK(g.launch(batch_of(1)));
}

TEST_CASE(
    "launch graphs: a change that the driver refuses makes a new graph; an error is the caller's, and the "
    "next is right") {
  Graphs g;
  CHECK(!g.launch(batch_of(1)));
  CHECK(g.launch(batch_of(1)));
  paper.refuses = true;
  CHECK(g.launch(batch_of(1, 7)));
  CHECK(paper.refused == 1);
  CHECK(paper.built == 2);
  paper.refuses = false;
  paper.ready.clear();  // as if the card were lost: nothing can be launched, or destroyed
  CHECK_THROWS_AS(g.launch(batch_of(1, 7)), Error);
  LaunchBatch far = batch_of(300);
  CHECK(!g.launch(far));
  CHECK(g.launch(far));
}

TEST_CASE("launch graphs: drivers without early edges order all launches") {
  Graphs g;
  Api old = g.api;
  old.cuGraphAddDependencies_v2 = nullptr;
  LaunchGraphs graphs(old);
  const auto check = [](int result, const char* what) { require(result == 0, what); };
  LaunchBatch first = batch_of(1), second = batch_of(1);
  CHECK(!graphs.launch(first, nullptr, check));
  CHECK(graphs.launch(second, nullptr, check));
  CHECK(paper.launched.back().find('~') == std::string::npos);
}

}  // namespace la::test
