// A libcuda.so.1 whose card is the emulated one, for programs as they are: LD_LIBRARY_PATH names its folder.
// $LA_FAKE_CUDA makes it fail: none (no card), old (a card of capability 7.5), refuse (the PTX), small:BYTES (of memory),
// lost:N (from the launch N on everything fails). With LA_DRIVER_OF_515 it has none of the functions that came later.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <string>

#include "emulation.hpp"

namespace {

using Result = int;
using Address = unsigned long long;
constexpr Result kInvalid = 1, kOutOfMemory = 2, kRefused = 222, kNotFound = 500, kFailed = 719;

la::cuda::Driver& card() {
  static const std::shared_ptr<la::cuda::Driver> driver = la::test::make_emulated_driver();
  return *driver;
}
std::map<Address, std::pair<std::shared_ptr<std::byte>, std::size_t>> memory;
std::size_t taken = 0;
std::string ptx;
std::map<std::string, int> functions;  // and the bytes of shared memory that each may ask for
long launches = 0;

bool fails(const char* how) {
  const char* asked = std::getenv("LA_FAKE_CUDA");
  return asked && std::strcmp(asked, how) == 0;
}
/// The number behind "small:" or "lost:"; -1: not asked for.
long limit(const char* prefix) {
  const char* asked = std::getenv("LA_FAKE_CUDA");
  const std::size_t n = std::strlen(prefix);
  return asked && std::strncmp(asked, prefix, n) == 0 ? std::atol(asked + n) : -1;
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
  static_cast<decltype(functions)::value_type*>(function)->second = value;
  return 0;
}
Result cuStreamCreate(void** stream, unsigned) {
  *stream = &functions;
  return 0;
}
Result cuStreamSynchronize(void*) {
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
  return guarded([&] { card().upload(from, pointer(to), bytes); });
}
Result cuMemcpyDtoHAsync_v2(void* to, Address from, std::size_t bytes, void*) {
  return guarded([&] { card().download(pointer(from), to, bytes); });
}
Result cuMemcpyDtoDAsync_v2(Address to, Address from, std::size_t bytes, void*) {
  return guarded([&] { card().copy(pointer(from), pointer(to), bytes); });
}
Result cuMemsetD8Async(Address to, unsigned char value, std::size_t bytes, void*) {
  if (value != 0) return kInvalid;
  return guarded([&] { card().clear(pointer(to), bytes); });
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
#if defined(LA_DRIVER_OF_515)
static
#endif
    Result
    cuLaunchKernelEx(const LaunchConfig* l, void* function, void** parameters, void**) {
  const auto& [name, most_shared] = *static_cast<decltype(functions)::value_type*>(function);
  // What every card takes.
  if (l->x == 0 || l->y == 0 || l->z != 1 || l->y > 65535 || l->threads == 0 || l->threads > 1024 ||
      l->ty != 1 || l->tz != 1 || l->shared > unsigned(most_shared))
    return kInvalid;
  bool dependent = false;
  for (unsigned i = 0; i < l->attribute_count; ++i) {
    if (l->attributes[i].id != 6) return kInvalid;  // programmatic stream serialization
    dependent = l->attributes[i].value[0] != 0;
  }
  // Kernels that were not made for it would not wait.
  if (dependent && ptx.find("griddepcontrol.wait") == std::string::npos) return kInvalid;
  ++launches;
  return guarded([&, kernel_name = name.c_str()] {
    const la::test::EmulatedKernel* kernel = la::test::find_kernel(kernel_name);
    card().launch({kernel_name, l->x, l->y, l->threads, l->shared, dependent}, parameters[0],
                  kernel ? kernel->bytes : 0);
  });
}
Result cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty,
                      unsigned tz, unsigned shared, void* stream, void** parameters, void**) {
  const LaunchConfig config{x, y, z, threads, ty, tz, shared, stream, nullptr, 0};
  return cuLaunchKernelEx(&config, function, parameters, nullptr);
}
Result cuGetErrorString(Result result, const char** text) {
  *text = result == kRefused ? "the provided PTX was compiled with an unsupported toolchain"
                             : "unspecified failure";
  return 0;
}

}  // extern "C"
