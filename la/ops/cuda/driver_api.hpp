#pragma once

#include <cstddef>

#include "driver.hpp"

// The few functions of NVIDIA's driver that are used, under its names, and the structs that they take.
namespace la::inline LA_ABI::cuda {

using Result = int;  // CUresult
using Address = unsigned long long;

/// CUlaunchAttribute, CUlaunchConfig
struct LaunchAttribute {
  int id;
  char pad[4];
  union {
    char bytes[64];
    int allowed;
  } value;
};
struct LaunchConfig {
  unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared;
  void* stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};
inline constexpr int kProgrammaticStreamSerialization = 6;  // CUlaunchAttributeID

/// CUDA_KERNEL_NODE_PARAMS_v1
struct KernelNode {
  void* function = nullptr;
  unsigned grid_x = 1, grid_y = 1, grid_z = 1, block_x = 1, block_y = 1, block_z = 1, shared = 0;
  void** parameters = nullptr;
  void** extra = nullptr;
  bool operator==(const KernelNode&) const = default;
};
/// CUgraphEdgeData
struct GraphEdge {
  unsigned char from_port, to_port, type, reserved[5];
};
inline constexpr unsigned char kPortProgrammatic = 1,  // CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC
    kEdgeProgrammatic = 1;                             // CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC

struct Api {
  Result (*cuInit)(unsigned) = nullptr;
  Result (*cuDriverGetVersion)(int*) = nullptr;
  Result (*cuDeviceGetCount)(int*) = nullptr;
  Result (*cuDeviceGet)(int*, int) = nullptr;
  Result (*cuDeviceGetName)(char*, int, int) = nullptr;
  Result (*cuDeviceGetAttribute)(int*, int, int) = nullptr;
  Result (*cuDevicePrimaryCtxRetain)(void**, int) = nullptr;
  Result (*cuDevicePrimaryCtxRelease_v2)(int) = nullptr;
  Result (*cuCtxSetCurrent)(void*) = nullptr;
  Result (*cuModuleLoadDataEx)(void**, const void*, unsigned, int*, void**) = nullptr;
  Result (*cuModuleGetFunction)(void**, void*, const char*) = nullptr;
  Result (*cuFuncSetAttribute)(void*, int, int) = nullptr;
  Result (*cuStreamCreate)(void**, unsigned) = nullptr;
  Result (*cuStreamSynchronize)(void*) = nullptr;
  Result (*cuMemGetInfo_v2)(std::size_t*, std::size_t*) = nullptr;
  Result (*cuMemAlloc_v2)(Address*, std::size_t) = nullptr;
  Result (*cuMemFree_v2)(Address) = nullptr;
  Result (*cuMemcpyHtoDAsync_v2)(Address, const void*, std::size_t, void*) = nullptr;
  Result (*cuMemcpyDtoHAsync_v2)(void*, Address, std::size_t, void*) = nullptr;
  Result (*cuMemcpyDtoDAsync_v2)(Address, Address, std::size_t, void*) = nullptr;
  Result (*cuMemsetD8Async)(Address, unsigned char, std::size_t, void*) = nullptr;
  Result (*cuLaunchKernel)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*,
                           void**, void**) = nullptr;
  Result (*cuMemAllocHost_v2)(void**, std::size_t) = nullptr;
  Result (*cuMemFreeHost)(void*) = nullptr;
  Result (*cuEventCreate)(void**, unsigned) = nullptr;
  Result (*cuEventRecord)(void*, void*) = nullptr;
  Result (*cuEventSynchronize)(void*) = nullptr;
  Result (*cuEventDestroy_v2)(void*) = nullptr;
  Result (*cuGetErrorString)(Result, const char**) = nullptr;
  // Of CUDA 11.4 or before: drivers that do not have them refuse the kernels.
  Result (*cuGraphCreate)(void**, unsigned) = nullptr;
  Result (*cuGraphDestroy)(void*) = nullptr;
  Result (*cuGraphAddKernelNode)(void**, void*, void* const*, std::size_t, const KernelNode*) = nullptr;
  Result (*cuGraphInstantiateWithFlags)(void**, void*, unsigned long long) = nullptr;
  Result (*cuGraphExecKernelNodeSetParams)(void*, void*, const KernelNode*) = nullptr;
  Result (*cuGraphLaunch)(void*, void*) = nullptr;
  Result (*cuGraphExecDestroy)(void*) = nullptr;
  // Null in drivers before 520.
  Result (*cuLaunchKernelEx)(const LaunchConfig*, void*, void**, void**) = nullptr;
  // And in those before CUDA 12.3.
  Result (*cuGraphAddDependencies_v2)(void*, void* const*, void* const*, const GraphEdge*,
                                      std::size_t) = nullptr;
};

}  // namespace la::inline LA_ABI::cuda
