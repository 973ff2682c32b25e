#include <cstring>

#include "../../kernels/cuda/module.hpp"
#include "emulation.hpp"

// The kernels of the module for the emulated card. Compiled with -fsanitize=thread every load and store is a call of the
// machine's (emulation.cpp), which stands in for that sanitizer's library.
namespace la::test {
namespace {

namespace device = kernels::cuda;

template <class Arguments, void (*kernel)(Arguments)>
void run_kernel(const void* bytes) {
  Arguments arguments;
  __builtin_memcpy(static_cast<void*>(&arguments), bytes, sizeof arguments);
  kernel(arguments);
}

}  // namespace

const EmulatedKernel* find_kernel(std::string_view name) {
#define LA_FIND(NAME, ARGUMENTS)                                                        \
  if (name == #NAME) {                                                                  \
    static constexpr EmulatedKernel found{sizeof(device::ARGUMENTS),                    \
                                          run_kernel<device::ARGUMENTS, device::NAME>}; \
    return &found;                                                                      \
  }
  LA_CUDA_KERNELS(LA_FIND)
#undef LA_FIND
  return nullptr;
}

bool kernels_are_watched() noexcept {
#if defined(__SANITIZE_THREAD__)
  return true;
#elif defined(__has_feature)
  return __has_feature(thread_sanitizer);
#else
  return false;
#endif
}

}  // namespace la::test
