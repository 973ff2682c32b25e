#include "emulation.hpp"

#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "../../kernels/cuda/module.hpp"
#include "../../la/core/error.hpp"

// A block's threads are fibers. Each runs until it ends or has to wait: for all lanes of its warp, or for all threads of
// the block. A block in which neither can come about is a report with the kernel, the block and the thread.
namespace la::test {
namespace {

namespace ctx = boost::context;
namespace device = kernels::cuda;

enum class Wait { none, warp, block, ended };

/// What a lane brings to an operation of its warp.
struct Mma {
  float* c;
  const std::uint32_t* a;
  std::uint32_t b[2];
};
struct Shuffle {
  float* value;
  int mask;
};
enum class WarpOp { none, mma, shuffle };

struct Thread {
  ctx::fiber fiber, scheduler;
  Wait wait = Wait::none;
  WarpOp op = WarpOp::none;
  Mma mma{};
  Shuffle shuffle{};
};

struct Machine {
  int thread = 0, threads = 0, block_x = 0, block_y = 0;
  const char* kernel = "";
  std::vector<Thread> state;
  std::vector<unsigned char> shared;
  ctx::pooled_fixedsize_stack stacks{64 << 10};
};
Machine* machine = nullptr;

[[noreturn]] void report(const char* what, int thread) {
  fail("kernel ", machine->kernel, ", block (", machine->block_x, ", ", machine->block_y, "), thread ",
       thread, ": ", what);
}

void wait_for(Wait what) {
  Thread& t = machine->state[std::size_t(machine->thread)];
  t.wait = what;
  t.scheduler = std::move(t.scheduler).resume();
}

float bf16_at(std::uint32_t pair, int i) {
  return __builtin_bit_cast(float, i ? pair & 0xffff0000u : pair << 16);
}

/// The fragments of mma.m16n8k16 as the PTX manual draws them: lane 4 g + t holds of A rows g and g + 8, columns 2t, 2t + 1
/// and those 8 further; of B rows 2t, 2t + 1 and those 8 further, column g; of C rows g and g + 8, columns 2t, 2t + 1.
void multiply(Thread* lanes) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int r = 0; r < 4; ++r)
      for (int i = 0; i < 2; ++i)
        a[g + 8 * (r % 2)][2 * t + i + 8 * (r / 2)] = bf16_at(lanes[lane].mma.a[r], i);
    for (int r = 0; r < 2; ++r)
      for (int i = 0; i < 2; ++i) b[2 * t + i + 8 * r][g] = bf16_at(lanes[lane].mma.b[r], i);
  }
  for (int lane = 0; lane < 32; ++lane)
    for (int r = 0; r < 4; ++r) {
      const int row = lane / 4 + 8 * (r / 2), column = lane % 4 * 2 + r % 2;
      float sum = lanes[lane].mma.c[r];
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][column];
      lanes[lane].mma.c[r] = sum;
    }
}

void exchange(Thread* lanes) {
  float values[32];
  for (int lane = 0; lane < 32; ++lane) values[lane] = *lanes[lane].shuffle.value;
  for (int lane = 0; lane < 32; ++lane) *lanes[lane].shuffle.value = values[lane ^ lanes[lane].shuffle.mask];
}

/// Runs the lanes of a warp until each waits for the block or has ended.
void run_warp(int first, int count) {
  Thread* lanes = machine->state.data() + first;
  for (;;) {
    int at_op = 0;
    for (int l = 0; l < count; ++l) {
      Thread& t = lanes[l];
      if (t.wait == Wait::none) {
        machine->thread = first + l;
        t.fiber = std::move(t.fiber).resume();
      }
      at_op += t.wait == Wait::warp;
    }
    if (at_op == 0) return;
    for (int l = 0; l < count; ++l)
      if (at_op < 32 || lanes[l].op != lanes[0].op)
        if (lanes[l].wait != Wait::warp || lanes[l].op != lanes[0].op)
          report("does not take part in an operation of its warp", first + l);
    if (count < 32) report("a warp operation in a warp of fewer than 32 threads", first);
    lanes[0].op == WarpOp::mma ? multiply(lanes) : exchange(lanes);
    for (int l = 0; l < count; ++l) lanes[l].wait = Wait::none;
  }
}

template <class Body>
void run_block(const Body& body) {
  for (Thread& t : machine->state) {
    t.wait = Wait::none;
    t.fiber = ctx::fiber(std::allocator_arg, machine->stacks, [&t, &body](ctx::fiber&& scheduler) {
      t.scheduler = std::move(scheduler);
      body();
      t.wait = Wait::ended;
      return std::move(t.scheduler);
    });
  }
  for (;;) {
    int waiting = 0, ended = 0;
    for (int first = 0; first < machine->threads; first += 32)
      run_warp(first, std::min(32, machine->threads - first));
    for (int i = 0; i < machine->threads; ++i) {
      waiting += machine->state[std::size_t(i)].wait == Wait::block;
      ended += machine->state[std::size_t(i)].wait == Wait::ended;
    }
    if (ended == machine->threads) return;
    if (waiting < machine->threads)
      for (int i = 0; i < machine->threads; ++i)
        if (machine->state[std::size_t(i)].wait != Wait::block) report("does not come to a barrier", i);
    for (Thread& t : machine->state) t.wait = Wait::none;
  }
}

template <class Arguments>
void run_grid(void (*kernel)(Arguments), const cuda::Launch& launch, const void* bytes) {
  Arguments arguments;
  std::memcpy(static_cast<void*>(&arguments), bytes, sizeof arguments);
  static Machine kept;
  machine = &kept;
  machine->kernel = launch.kernel;
  machine->threads = int(launch.threads);
  machine->state.resize(launch.threads);
  machine->shared.resize(launch.shared + 64);
  for (unsigned y = 0; y < launch.grid_y; ++y)
    for (unsigned x = 0; x < launch.grid_x; ++x) {
      machine->block_x = int(x);
      machine->block_y = int(y);
      std::memset(machine->shared.data(), 0xff,
                  machine->shared.size());  // NaN to whoever reads before writing
      run_block([&] { kernel(arguments); });
    }
}

class EmulatedDriver final : public cuda::Driver {
 public:
  std::string_view name() const noexcept override { return "emulated"; }
  std::size_t free_bytes() override { return std::size_t{1} << 40; }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    const std::size_t size = (bytes + 63) / 64 * 64 + 64;
    auto* p = static_cast<std::byte*>(std::aligned_alloc(64, size));
    if (!p) throw std::bad_alloc();
    std::memset(p, 0xff, size);
    return {p, std::free};
  }
  void upload(const void* host, void* to, std::size_t bytes) override { std::memcpy(to, host, bytes); }
  void download(const void* from, void* host, std::size_t bytes) override { std::memcpy(host, from, bytes); }
  void copy(const void* from, void* to, std::size_t bytes) override { std::memcpy(to, from, bytes); }
  void clear(void* to, std::size_t bytes) override { std::memset(to, 0, bytes); }
  void launch(const cuda::Launch& launch, const void* arguments, std::size_t bytes) override {
    const std::string_view name = launch.kernel;
#define LA_RUN(NAME, ARGUMENTS)                                                                           \
  if (name == #NAME) {                                                                                    \
    require(bytes == sizeof(device::ARGUMENTS), "kernel " #NAME ": expected ", sizeof(device::ARGUMENTS), \
            " bytes of arguments, found ", bytes);                                                        \
    return run_grid<device::ARGUMENTS>(device::NAME, launch, arguments);                                  \
  }
    LA_CUDA_KERNELS(LA_RUN)
#undef LA_RUN
    fail("kernel ", name, ": not in the module");
  }
};

}  // namespace

std::shared_ptr<cuda::Driver> make_emulated_driver() {
  return std::make_shared<EmulatedDriver>();
}

std::size_t argument_bytes(const char* kernel) {
  const std::string_view name = kernel;
#define LA_BYTES(NAME, ARGUMENTS) \
  if (name == #NAME) return sizeof(device::ARGUMENTS);
  LA_CUDA_KERNELS(LA_BYTES)
#undef LA_BYTES
  fail("kernel ", name, ": not in the module");
}

}  // namespace la::test

namespace la::inline LA_ABI::kernels::cuda::emulated {

int thread_index() noexcept {
  return test::machine->thread;
}
int block_size() noexcept {
  return test::machine->threads;
}
int block_index_x() noexcept {
  return test::machine->block_x;
}
int block_index_y() noexcept {
  return test::machine->block_y;
}
unsigned char* shared_memory() noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(test::machine->shared.data());
  return reinterpret_cast<unsigned char*>((at + 63) / 64 * 64);
}
void sync_block() {
  test::wait_for(test::Wait::block);
}
void mma_bf16(float* c, const std::uint32_t* a, std::uint32_t b0, std::uint32_t b1) {
  test::Thread& t = test::machine->state[std::size_t(test::machine->thread)];
  t.op = test::WarpOp::mma;
  t.mma = {c, a, {b0, b1}};
  test::wait_for(test::Wait::warp);
}
float shuffle_xor(float value, int mask) {
  test::Thread& t = test::machine->state[std::size_t(test::machine->thread)];
  t.op = test::WarpOp::shuffle;
  t.shuffle = {&value, mask};
  test::wait_for(test::Wait::warp);
  return value;
}

}  // namespace la::inline LA_ABI::kernels::cuda::emulated
