// A libcuda.so.1 whose card is the emulated one, for programs as they are: LD_LIBRARY_PATH names its folder.
// $LA_FAKE_CUDA makes it fail: none (no card), old (a card of capability 7.5), refuse (the PTX), small:BYTES (of memory),
// lost:N (from the launch N on everything fails). seed:N shuffles what may run in any order. $LA_FAKE_CUDA_LOG is a file that each call which does something adds a line
// to. With LA_DRIVER_OF_515 it has none of the functions that came later.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "emulation.hpp"

namespace {

using Result = int;
using Address = unsigned long long;
constexpr Result kInvalid = 1, kOutOfMemory = 2, kRefused = 222, kNotFound = 500, kFailed = 719;

std::map<Address, std::pair<std::shared_ptr<std::byte>, std::size_t>> memory;
std::size_t taken = 0;
std::string ptx;
std::map<std::string, int> functions;  // and the bytes of shared memory that each may ask for
using Function = decltype(functions)::value_type;
long launches = 0;

template <class... Values>
void log(const char* format, Values... values) {
  static std::FILE* const file = [] {
    const char* path = std::getenv("LA_FAKE_CUDA_LOG");
    return path ? std::fopen(path, "a") : nullptr;
  }();
  if (!file) return;
  std::fprintf(file, format, values...);
  std::fflush(file);
}

bool fails(const char* how) {
  const char* asked = std::getenv("LA_FAKE_CUDA");
  return asked && std::strcmp(asked, how) == 0;
}
/// The number behind "small:", "lost:" or "seed:"; -1: not asked for.
long limit(const char* prefix) {
  const char* asked = std::getenv("LA_FAKE_CUDA");
  const std::size_t n = std::strlen(prefix);
  return asked && std::strncmp(asked, prefix, n) == 0 ? std::atol(asked + n) : -1;
}
la::cuda::Driver& card() {
  static const std::shared_ptr<la::cuda::Driver> driver =
      la::test::make_emulated_driver({static_cast<std::uint64_t>(std::max(limit("seed:"), 0L))});
  return *driver;
}
bool lost() {
  return limit("lost:") >= 0 && launches >= limit("lost:");
}
void* pointer(Address at) {
  return reinterpret_cast<void*>(at);
}
template <class Body>
Result guarded(const Body& body) {
  if (lost()) return kFailed;
  try {
    body();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return kFailed;
  }
}

struct LaunchAttribute {
  int id, pad, value[16];
};
struct LaunchConfig {
  unsigned x, y, z, threads, ty, tz, shared;
  void* stream;
  const LaunchAttribute* attributes;
  unsigned attribute_count;
};
struct NodeParams {
  Function* function;
  unsigned x, y, z, threads, ty, tz, shared;
  void **parameters, **extra;
};
struct EdgeData {
  unsigned char from_port, to_port, type, reserved[5];
};

/// What every card takes.
bool may_launch(const NodeParams& p) {
  return p.x > 0 && p.y > 0 && p.z == 1 && p.y <= 65535 && p.threads > 0 && p.threads <= 1024 && p.ty == 1 &&
         p.tz == 1 && p.shared <= unsigned(p.function->second);
}
/// Kernels that were not made for it would not wait.
bool may_depend() {
  return ptx.find("griddepcontrol.wait") != std::string::npos;
}
std::size_t argument_bytes(const Function& function) {
  const la::test::EmulatedKernel* kernel = la::test::find_kernel(function.first);
  return kernel ? kernel->bytes : 0;
}

/// A kernel of a graph, with arguments of its own.
struct Node {
  NodeParams params;
  std::vector<std::byte> arguments;
  std::vector<Node*> before;
  bool dependent = false;  // it waits itself

  bool set(const NodeParams& now) {
    if (!may_launch(now) || now.extra || !now.parameters) return false;
    params = now;
    params.parameters = nullptr;
    const auto* from = static_cast<const std::byte*>(now.parameters[0]);
    arguments.assign(from, from + argument_bytes(*now.function));
    return true;
  }
  Result launch() const {
    ++launches;
    return guarded([&] {
      card().launch(
          {params.function->first.c_str(), params.x, params.y, params.threads, params.shared, dependent},
          arguments.data(), arguments.size());
    });
  }
};
struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;
  bool has(const void* node) const {
    return std::any_of(nodes.begin(), nodes.end(), [&](const auto& n) { return n.get() == node; });
  }
};
/// What a graph became: its nodes in an order in which each comes behind those that it depends on.
struct Executable {
  std::map<const Node*, Node> nodes;
  std::vector<const Node*> order;
  std::set<const Node*> changed;  // since it was launched last
};
/// What was copied to memory of the host that the driver has made, and is not there before somebody waits.
struct OnItsWay {
  void* to;
  std::vector<std::byte> bytes;
};
std::map<void*, std::unique_ptr<std::byte[]>> host_memory;
std::vector<OnItsWay> on_their_way;
std::map<void*, std::unique_ptr<std::size_t>> events;  // and how many copies were made before each
std::size_t landed = 0;

void land(std::size_t until) {
  for (; landed < until; ++landed)
    std::memcpy(on_their_way[landed].to, on_their_way[landed].bytes.data(),
                on_their_way[landed].bytes.size());
}

std::map<void*, std::unique_ptr<Graph>> graphs;
std::map<void*, std::unique_ptr<Executable>> executables;

}  // namespace

extern "C" {

Result cuInit(unsigned) {
  return 0;
}
Result cuDriverGetVersion(int* version) {
  *version = 12000;
  return 0;
}
Result cuDeviceGetCount(int* count) {
  *count = fails("none") ? 0 : 1;
  return 0;
}
Result cuDeviceGet(int* device, int index) {
  *device = index;
  return 0;
}
Result cuDeviceGetName(char* name, int length, int) {
  std::snprintf(name, std::size_t(length), "emulated");
  return 0;
}
Result cuDeviceGetAttribute(int* value, int attribute, int) {
  const bool old = fails("old");
  *value = attribute == 75 ? (old ? 7 : 9) : attribute == 76 ? (old ? 5 : 0) : 0;
  return 0;
}
Result cuDevicePrimaryCtxRetain(void** context, int) {
  *context = &memory;
  return 0;
}
Result cuDevicePrimaryCtxRelease_v2(int) {
  return 0;
}
Result cuCtxSetCurrent(void*) {
  return 0;
}
Result cuModuleLoadDataEx(void** module, const void* image, unsigned, int*, void**) {
  if (fails("refuse")) return kRefused;
  ptx = static_cast<const char*>(image);
  *module = &ptx;
  return 0;
}
Result cuModuleGetFunction(void** function, void*, const char* name) {
  if (ptx.find(".entry " + std::string(name) + "(") == std::string::npos) return kNotFound;
  *function = &*functions.emplace(name, 48 << 10).first;
  return 0;
}
Result cuFuncSetAttribute(void* function, int attribute, int value) {
  // 99 KiB: of the cards that these kernels are for, some have no more.
  if (attribute != 8 || value > 99 << 10) return kInvalid;
  static_cast<Function*>(function)->second = value;
  return 0;
}
Result cuStreamCreate(void** stream, unsigned) {
  *stream = &functions;
  return 0;
}
Result cuStreamSynchronize(void*) {
  land(on_their_way.size());
  return lost() ? kFailed : 0;
}
Result cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  const long small = limit("small:");
  *total = small >= 0 ? std::size_t(small) : std::size_t{1} << 40;
  *free = *total - taken;
  return 0;
}
Result cuMemAlloc_v2(Address* at, std::size_t bytes) {
  std::size_t free = 0, total = 0;
  cuMemGetInfo_v2(&free, &total);
  if (bytes > free) return kOutOfMemory;
  return guarded([&] {
    auto block = card().allocate(bytes);
    *at = reinterpret_cast<Address>(block.get());
    memory[*at] = {std::move(block), bytes};
    taken += bytes;
  });
}
Result cuMemFree_v2(Address at) {
  const auto found = memory.find(at);
  if (found == memory.end()) return kInvalid;
  taken -= found->second.second;
  memory.erase(found);
  return 0;
}
Result cuMemcpyHtoDAsync_v2(Address to, const void* from, std::size_t bytes, void*) {
  log("upload %zu\n", bytes);
  return guarded([&] { card().upload(from, pointer(to), bytes); });
}
Result cuMemcpyDtoHAsync_v2(void* to, Address from, std::size_t bytes, void*) {
  log("download %zu\n", bytes);
  if (host_memory.count(to) == 0) return guarded([&] { card().download(pointer(from), to, bytes); });
  return guarded([&] {
    OnItsWay copy{to, std::vector<std::byte>(bytes)};
    card().download(pointer(from), copy.bytes.data(), bytes);
    on_their_way.push_back(std::move(copy));
  });
}
Result cuMemcpyDtoDAsync_v2(Address to, Address from, std::size_t bytes, void*) {
  return guarded([&] { card().copy(pointer(from), pointer(to), bytes); });
}
Result cuMemsetD8Async(Address to, unsigned char value, std::size_t bytes, void*) {
  if (value != 0) return kInvalid;
  return guarded([&] { card().clear(pointer(to), bytes); });
}
#if defined(LA_DRIVER_OF_515)
static
#endif
    Result
    cuLaunchKernelEx(const LaunchConfig* l, void* function, void** parameters, void**) {
  const NodeParams params{static_cast<Function*>(function),
                          l->x,
                          l->y,
                          l->z,
                          l->threads,
                          l->ty,
                          l->tz,
                          l->shared,
                          parameters,
                          nullptr};
  Node node;
  if (!node.set(params)) return kInvalid;
  for (unsigned i = 0; i < l->attribute_count; ++i) {
    if (l->attributes[i].id != 6) return kInvalid;  // programmatic stream serialization
    node.dependent = l->attributes[i].value[0] != 0;
  }
  if (node.dependent && !may_depend()) return kInvalid;
  log("launch %s\n", params.function->first.c_str());
  return node.launch();
}
Result cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty,
                      unsigned tz, unsigned shared, void* stream, void** parameters, void**) {
  const LaunchConfig config{x, y, z, threads, ty, tz, shared, stream, nullptr, 0};
  return cuLaunchKernelEx(&config, function, parameters, nullptr);
}
Result cuMemAllocHost_v2(void** at, std::size_t bytes) {
  auto memory = std::make_unique<std::byte[]>(bytes);
  std::memset(memory.get(), 0xff, bytes);
  *at = memory.get();
  host_memory[*at] = std::move(memory);
  return 0;
}
Result cuMemFreeHost(void* at) {
  for (std::size_t i = landed; i < on_their_way.size(); ++i)
    if (on_their_way[i].to == at) return kInvalid;
  return host_memory.erase(at) == 1 ? 0 : kInvalid;
}
Result cuEventCreate(void** event, unsigned flags) {
  if (flags != 2) return kInvalid;  // without a time
  auto made = std::make_unique<std::size_t>(0);
  *event = made.get();
  events[*event] = std::move(made);
  return 0;
}
Result cuEventRecord(void* event, void*) {
  const auto found = events.find(event);
  if (found == events.end()) return kInvalid;
  *found->second = on_their_way.size();
  return lost() ? kFailed : 0;
}
Result cuEventSynchronize(void* event) {
  const auto found = events.find(event);
  if (found == events.end()) return kInvalid;
  log("wait\n");
  land(*found->second);
  return lost() ? kFailed : 0;
}
Result cuEventDestroy_v2(void* event) {
  return events.erase(event) == 1 ? 0 : kInvalid;
}
Result cuGraphCreate(void** graph, unsigned flags) {
  if (flags != 0) return kInvalid;
  auto made = std::make_unique<Graph>();
  *graph = made.get();
  graphs[*graph] = std::move(made);
  return 0;
}
Result cuGraphDestroy(void* graph) {
  return graphs.erase(graph) == 1 ? 0 : kInvalid;
}
Result cuGraphAddKernelNode(void** node, void* graph, void* const* before, std::size_t count,
                            const NodeParams* params) {
  const auto found = graphs.find(graph);
  auto made = std::make_unique<Node>();
  if (found == graphs.end() || !made->set(*params)) return kInvalid;
  for (std::size_t i = 0; i < count; ++i) {
    if (!found->second->has(before[i])) return kInvalid;
    made->before.push_back(static_cast<Node*>(before[i]));
  }
  *node = made.get();
  found->second->nodes.push_back(std::move(made));
  return 0;
}
#if defined(LA_DRIVER_OF_515)
[[maybe_unused]] static
#endif
    Result
    cuGraphAddDependencies_v2(void* graph, void* const* from, void* const* to, const EdgeData* edges,
                              std::size_t count) {
  const auto found = graphs.find(graph);
  if (found == graphs.end()) return kInvalid;
  for (std::size_t i = 0; i < count; ++i) {
    const EdgeData& e = edges[i];
    if (!found->second->has(from[i]) || !found->second->has(to[i]) || from[i] == to[i] || e.to_port != 0 ||
        e.type > 1 || e.from_port != e.type)  // one of kernels that start the next early: both are 1
      return kInvalid;
    if (e.type == 1 && !may_depend()) return kInvalid;
    auto* node = static_cast<Node*>(to[i]);
    if (!node->before.empty()) return kInvalid;  // chains are all that is emulated
    node->before.push_back(static_cast<Node*>(from[i]));
    node->dependent = e.type == 1;
  }
  return 0;
}
Result cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags) {
  const auto found = graphs.find(graph);
  if (found == graphs.end() || flags != 0) return kInvalid;
  auto made = std::make_unique<Executable>();
  while (made->order.size() < found->second->nodes.size()) {
    const std::size_t before = made->order.size();
    for (const auto& node : found->second->nodes) {
      const auto is_there = [&](const Node* n) { return made->nodes.count(n) == 1; };
      if (is_there(node.get()) || !std::all_of(node->before.begin(), node->before.end(), is_there)) continue;
      made->nodes[node.get()] = *node;
      made->order.push_back(node.get());
    }
    if (made->order.size() == before) return kInvalid;  // a circle
  }
  log("instantiate %zu\n", made->order.size());
  *executable = made.get();
  executables[*executable] = std::move(made);
  return 0;
}
Result cuGraphExecKernelNodeSetParams(void* executable, void* node, const NodeParams* params) {
  const auto found = executables.find(executable);
  const auto lives = [&](const auto& graph) { return graph.second->has(node); };
  if (found == executables.end() || std::none_of(graphs.begin(), graphs.end(), lives)) return kInvalid;
  const auto at = found->second->nodes.find(static_cast<const Node*>(node));
  if (at == found->second->nodes.end() || at->second.params.function != params->function ||
      !at->second.set(*params))
    return kInvalid;
  found->second->changed.insert(at->first);
  return 0;
}
Result cuGraphLaunch(void* executable, void*) {
  const auto found = executables.find(executable);
  if (found == executables.end()) return kInvalid;
  Executable& e = *found->second;
  log("graph %zu nodes %zu changed\n", e.order.size(), e.changed.size());
  e.changed.clear();
  for (const Node* node : e.order)
    if (const Result result = e.nodes.at(node).launch()) return result;
  return 0;
}
Result cuGraphExecDestroy(void* executable) {
  return executables.erase(executable) == 1 ? 0 : kInvalid;
}
Result cuGetErrorString(Result result, const char** text) {
  *text = result == kRefused ? "the provided PTX was compiled with an unsupported toolchain"
                             : "unspecified failure";
  return 0;
}

}  // extern "C"
