#include "planted_kernels.hpp"

#include "../../kernels/cuda/device.hpp"

namespace la::test {
namespace {

using namespace kernels::cuda;

/// y reversed, through shared memory.
void missing_barrier(Planted a) {
  wait_for_launches();
  auto* shared = shared_memory<float>();
  const int t = thread_index();
  shared[t] = 0;
  sync_block();
  shared[t] = a.x[t];
  if (!a.fault) sync_block();
  a.y[t] = shared[a.n - 1 - t];
}

void uninitialised_shared_memory(Planted a) {
  wait_for_launches();
  auto* shared = shared_memory<float>();
  const int t = thread_index();
  if (!a.fault || t != 5) shared[t] = a.x[t];
  sync_block();
  a.y[t] = shared[a.n - 1 - t];
}

void missing_wait(Planted a) {
  if (!a.fault) wait_for_launches();
  for (int i = thread_index(); i < a.n; i += block_size()) a.y[i] = a.x[i] + 1;
  if (a.fault) wait_for_launches();
}

void no_wait_at_all(Planted a) {
  if (!a.fault) wait_for_launches();
}

void off_by_one_tail(Planted a) {
  wait_for_launches();
  for (int i = thread_index(); i < a.n + a.fault; i += block_size()) a.y[i] = a.x[i];
}

/// y = sums of blocks; wrong: into one.
void race_between_blocks(Planted a) {
  wait_for_launches();
  if (thread_index() == 0) a.y[a.fault ? 0 : block_index_x()] = a.x[block_index_x()];
}

/// Each block leaves some values in y and counts; the last one adds them up. Wrong: a barrier or a fence is missing before the
/// count, or the fence behind it.
void last_block(Planted a) {
  wait_for_launches();
  auto* shared = shared_memory<std::uint32_t>();
  const int t = thread_index(), blocks = 4;
  float* own = a.y + 2 + 2 * block_index_x();
  if (t == 32 || t == 33) own[t - 32] = a.x[own - a.y + t - 32 - 2] + 1;
  if (a.fault != 1) sync_block();
  if (t == 0) {
    if (a.fault != 2) fence_device();
    *shared = count_around(reinterpret_cast<std::uint32_t*>(a.y), std::uint32_t(blocks - 1));
    if (a.fault != 3) fence_device();
  }
  sync_block();
  if (*shared != std::uint32_t(blocks - 1) || t > 1) return;
  float sum = 0;
  for (int i = 0; i < blocks; ++i) sum += a.y[2 + 2 * i + t];
  a.y[a.n - 2 + t] = sum;
}

void unsynchronised_copy(Planted a) {
  wait_for_launches();
  auto* shared = shared_memory<float>();
  const int t = thread_index();
  copy_async<4>(shared + t, a.x + t);
  commit_copies();
  if (!a.fault) wait_copies<0>();
  sync_block();
  a.y[t] = shared[a.n - 1 - t];
  wait_copies<0>();
}

/// Y [16, 8] = X [16, 16] W [8, 16]^T, X before W in x; the wrong one gives a lane its second pair of W first.
void wrong_fragment_layout(Planted a) {
  wait_for_launches();
  const int g = lane() / 4, t = lane() % 4;
  const float *x = a.x, *w = a.x + 256;
  const auto pair = [](const float* p) { return to_bf16_pair(p[0], p[1]); };
  const std::uint32_t rows[4] = {pair(x + g * 16 + 2 * t), pair(x + (g + 8) * 16 + 2 * t),
                                 pair(x + g * 16 + 2 * t + 8), pair(x + (g + 8) * 16 + 2 * t + 8)};
  const std::uint32_t low = pair(w + g * 16 + 2 * t), high = pair(w + g * 16 + 2 * t + 8);
  float sums[4] = {};
  mma_bf16(sums, rows, a.fault ? high : low, a.fault ? low : high);
  for (int i = 0; i < 4; ++i) a.y[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
}

/// Threads that end leave the others at a barrier.
void barrier_not_reached(Planted a) {
  wait_for_launches();
  if (a.fault && thread_index() == 3) return;
  sync_block();
}

void use_after_free(Planted a) {
  wait_for_launches();
  a.y[thread_index()] = a.x[thread_index()];
}

template <void (*kernel)(Planted)>
void run_planted(const void* bytes) {
  Planted arguments;
  __builtin_memcpy(static_cast<void*>(&arguments), bytes, sizeof arguments);
  kernel(arguments);
}

}  // namespace

const EmulatedKernel* find_planted(std::string_view name) {
#define LA_FIND(NAME)                                                          \
  if (name == #NAME) {                                                         \
    static constexpr EmulatedKernel found{sizeof(Planted), run_planted<NAME>}; \
    return &found;                                                             \
  }
  LA_FIND(missing_barrier)
  LA_FIND(uninitialised_shared_memory)
  LA_FIND(missing_wait)
  LA_FIND(no_wait_at_all)
  LA_FIND(off_by_one_tail)
  LA_FIND(race_between_blocks)
  LA_FIND(last_block)
  LA_FIND(unsynchronised_copy)
  LA_FIND(wrong_fragment_layout)
  LA_FIND(barrier_not_reached)
  LA_FIND(use_after_free)
#undef LA_FIND
  return nullptr;
}

}  // namespace la::test
