#include "emulation.hpp"

#include <csignal>
#include <unistd.h>

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "../../kernels/cuda/weight_values.hpp"
#include "../../la/core/error.hpp"
#include "emulated_memory.hpp"

// A block's threads are fibers. Each runs until it ends or has to wait: for all lanes of its warp, for all threads of the
// block, or for the launches before. What must not be is a report with the kernel, the block and the thread.
namespace la::test {
namespace {

namespace ctx = boost::context;

enum class Wait { none, warp, block, launches, ended, failed };

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
enum class WarpOp { none, mma_bf16, mma_half, shuffle };

/// 4, 8 or 16 bytes on their way to shared memory, which arrive as late as they may.
struct Copy {
  void* to;
  const void* from;
  int bytes;
  int group;
};

struct Thread {
  ctx::fiber fiber, scheduler;
  Wait wait = Wait::none;
  bool waited = false;               // for the launches before
  bool fenced = false;               // since its last access: what it counts now is behind all that it knows
  std::uint32_t* counted = nullptr;  // what it counted last; behind a fence it knows who counted before
  bool knows_others = false;         // of its block's `seen`
  WarpOp op = WarpOp::none;
  Mma mma{};
  Shuffle shuffle{};
  std::vector<Copy> copies;
  int group = 0;
};

struct Grid {
  std::string kernel;
  const EmulatedKernel* code = nullptr;
  unsigned width = 1, height = 1, threads = 0;
  std::size_t shared = 0;
  bool dependent = false;
  std::uint32_t number = 0;
  std::vector<std::byte> arguments;
  std::vector<unsigned> order;  // of its blocks
};

struct Block {
  const Grid* grid = nullptr;
  int x = 0, y = 0;
  unsigned index = 0;
  std::uint16_t epoch = 0;
  unsigned char* shared = nullptr;
  EmulatedMemory::Ends seen;  // blocks that counted before this one did
  std::vector<Thread> threads;
  std::vector<int> warps;  // in the order in which they run
  int first_lane = 0, lane_step = 1;
};

class Machine;
Machine* machine = nullptr;

float bf16_at(std::uint32_t pair, int i) {
  return __builtin_bit_cast(float, i ? pair & 0xffff0000u : pair << 16);
}

float half_at(std::uint32_t pair, int i) {
  return kernels::cuda::widen_half(i ? pair >> 16 : pair & 0xffffu);
}

/// The fragments of mma.m16n8k16 as the PTX manual draws them: lane 4 g + t holds of A rows g and g + 8, columns 2t, 2t + 1
/// and those 8 further; of B rows 2t, 2t + 1 and those 8 further, column g; of C rows g and g + 8, columns 2t, 2t + 1.
void multiply(Thread* lanes, float (*value_at)(std::uint32_t, int)) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int r = 0; r < 4; ++r)
      for (int i = 0; i < 2; ++i)
        a[g + 8 * (r % 2)][2 * t + i + 8 * (r / 2)] = value_at(lanes[lane].mma.a[r], i);
    for (int r = 0; r < 2; ++r)
      for (int i = 0; i < 2; ++i) b[2 * t + i + 8 * r][g] = value_at(lanes[lane].mma.b[r], i);
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

class Machine {
 public:
  explicit Machine(const Emulation& emulation) : memory(emulation.hunts), emulation_(emulation) {
    require(!emulation.hunts || kernels_are_watched(), "emulation: expected watched kernels to hunt");
    if (emulation.seed != 0) random_.seed(emulation.seed);
  }

  EmulatedMemory memory;

  Block& block() noexcept { return *block_; }
  Thread& thread() noexcept { return block_->threads[std::size_t(thread_)]; }
  int thread_index() const noexcept { return thread_; }
  bool hunts() const noexcept { return emulation_.hunts; }
  bool running() const noexcept { return running_; }
  bool starts_early() const noexcept { return early_; }

  std::string describe() const {
    return detail::concat("kernel ", block_->grid->kernel, ", block (", block_->x, ", ", block_->y,
                          "), thread ", thread_, ": ");
  }

  void launch(const cuda::Launch& launch, const void* arguments, std::size_t bytes) {
    machine = this;
    Grid next = grid_of(launch, arguments, bytes);
    if (!launch.dependent) finish();
    next.number = ++launches_;
    if (!launch.dependent) complete_ = launches_ - 1;
    auto grid = std::make_unique<Grid>(std::move(next));
    std::vector<std::unique_ptr<Block>> early;
    if (pending_) {
      // The first blocks of the new one get as far as they can before the one that they depend on has run.
      early_ = true;
      for (std::size_t i = 0; i < std::min<std::size_t>(2, grid->order.size()); ++i) {
        early.push_back(start(*grid, grid->order[i]));
        advance(*early.back());
      }
      early_ = false;
      run(*pending_, pending_blocks_);
    }
    pending_ = std::move(grid);
    pending_blocks_ = std::move(early);
  }

  /// All launches have ended.
  void finish() {
    if (late_) std::rethrow_exception(std::exchange(late_, nullptr));
    machine = this;
    if (pending_) run(*pending_, pending_blocks_);
    pending_.reset();
    pending_blocks_.clear();
    complete_ = launches_;
  }
  /// The same, where an error has to wait for the next call.
  void finish_quietly() noexcept {
    try {
      finish();
    } catch (...) {
      late_ = std::current_exception();
    }
  }

  void wait_for(Wait what) {
    Thread& t = thread();
    t.wait = what;
    t.scheduler = std::move(t.scheduler).resume();
  }

  /// From inside a thread: it goes no further.
  [[noreturn]] void fail_here(const std::string& what) {
    failure_ = describe() + what;
    wait_for(Wait::failed);
    std::abort();
  }

  void touch(const void* at, std::size_t bytes, bool write) {
    if (!memory.contains(at)) {
      // A thread's own memory is its stack, where the arguments are, too.
      const auto distance =
          reinterpret_cast<std::intptr_t>(at) - reinterpret_cast<std::intptr_t>(__builtin_frame_address(0));
      if (distance > -kStack && distance < kStack) return;
      fail_here("out of range: " + std::to_string(bytes) + " bytes that are no memory of the card");
    }
    const std::string wrong = memory.touch(toucher(), at, bytes, write);
    if (!wrong.empty()) fail_here(wrong);
  }

  void fence() {
    Thread& t = thread();
    t.fenced = true;
    if (!t.counted) return;
    for (const auto& [other, epoch] : ended_[t.counted]) block_->seen[other] = epoch;
    t.knows_others = true;
    t.counted = nullptr;
  }
  /// An atomic access, which races with none.
  std::uint32_t count(std::uint32_t* at, std::uint32_t last) {
    Thread& t = thread();
    if (hunts()) {
      if (!t.waited) fail_here("missing wait of a dependent launch: counts before it");
      const std::string wrong = memory.touch_atomic(at);
      if (!wrong.empty()) fail_here(wrong);
    }
    t.counted = at;
    auto& ends = ended_[at];
    // What the block wrote before its last barrier is behind the fence; without one nothing is.
    if (t.fenced) ends[block_->index] = block_->epoch;
    t.fenced = false;
    const std::uint32_t before = *at;
    *at = before >= last ? 0 : before + 1;
    return before;
  }

  void land_copies(int groups_in_flight) {
    Thread& t = thread();
    std::vector<Copy> rest;
    for (const Copy& copy : t.copies) {
      if (copy.group >= t.group - groups_in_flight) {
        rest.push_back(copy);
        continue;
      }
      std::memcpy(copy.to, copy.from, std::size_t(copy.bytes));
      if (!hunts()) continue;
      memory.set_in_flight(copy.to, std::size_t(copy.bytes), false);
      touch(copy.to, std::size_t(copy.bytes), true);
    }
    t.copies = std::move(rest);
  }

 private:
  static constexpr std::intptr_t kStack = 64 << 10;

  Toucher toucher() {
    const Block& b = *block_;
    return {b.grid->number,
            b.index,
            thread().waited ? b.grid->number - 1 : complete_,
            b.epoch,
            std::uint16_t(thread_),
            thread().knows_others ? &b.seen : nullptr};
  }

  Grid grid_of(const cuda::Launch& launch, const void* arguments, std::size_t bytes) {
    Grid grid;
    grid.kernel = launch.kernel;
    grid.code = emulation_.kernels(launch.kernel);
    require(grid.code, "kernel ", launch.kernel, ": not in the module");
    require(bytes == grid.code->bytes, "kernel ", launch.kernel, ": expected ", grid.code->bytes,
            " bytes of arguments, found ", bytes);
    grid.width = launch.grid_x;
    grid.height = launch.grid_y;
    grid.threads = launch.threads;
    grid.shared = launch.shared;
    grid.dependent = launch.dependent;
    grid.arguments.resize(bytes);
    std::memcpy(grid.arguments.data(), arguments, bytes);
    grid.order.resize(std::size_t(grid.width) * grid.height);
    for (std::size_t i = 0; i < grid.order.size(); ++i) grid.order[i] = unsigned(i);
    if (emulation_.seed != 0) std::shuffle(grid.order.begin(), grid.order.end(), random_);
    return grid;
  }

  std::unique_ptr<Block> start(const Grid& grid, unsigned index) {
    std::unique_ptr<Block> b = std::make_unique<Block>();
    if (!spare_.empty()) {
      b = std::move(spare_.back());
      spare_.pop_back();
    }
    b->grid = &grid;
    b->index = index;
    b->x = int(index % grid.width);
    b->y = int(index / grid.width);
    b->epoch = 0;
    b->seen.clear();
    b->shared = take_shared(grid.shared);
    b->threads.resize(grid.threads);
    b->warps.resize((grid.threads + 31) / 32);
    for (std::size_t i = 0; i < b->warps.size(); ++i) b->warps[i] = int(i);
    for (Thread& t : b->threads) {
      t.wait = Wait::none;
      t.waited = !grid.dependent;
      t.fenced = t.knows_others = false;
      t.counted = nullptr;
      t.copies.clear();
      t.group = 0;
      t.fiber = ctx::fiber(std::allocator_arg, stacks_, [this, &t, &grid](ctx::fiber&& scheduler) {
        t.scheduler = std::move(scheduler);
        grid.code->run(grid.arguments.data());
        if (!t.copies.empty()) fail_here("unsynchronised copy: ends before its copies have arrived");
        t.wait = Wait::ended;
        return std::move(t.scheduler);
      });
    }
    shuffle(*b);
    return b;
  }

  unsigned char* take_shared(std::size_t bytes) {
    auto& free = shared_[bytes];
    if (free.empty()) return memory.allocate(bytes, "shared");
    unsigned char* at = free.back();
    free.pop_back();
    memory.poison(at);
    return at;
  }

  void shuffle(Block& b) {
    if (emulation_.seed == 0) return;
    std::shuffle(b.warps.begin(), b.warps.end(), random_);
    b.first_lane = int(random_() % 32);
    b.lane_step = int(random_() % 32) | 1;  // odd: it comes to every lane
  }

  void run(const Grid& grid, std::vector<std::unique_ptr<Block>>& started) {
    const std::size_t early = started.size();
    ended_.clear();  // none counts before the launch before it has ended
    for (std::unique_ptr<Block>& b : started) finish_block(std::move(b));
    started.clear();
    for (std::size_t i = early; i < grid.order.size(); ++i) finish_block(start(grid, grid.order[i]));
  }

  void finish_block(std::unique_ptr<Block> b) {
    advance(*b);
    if (std::none_of(b->threads.begin(), b->threads.end(), [](const Thread& t) { return t.waited; }))
      report(*b, 0,
             "missing wait of a dependent launch: ends without it, so that launches behind it know no order");
    shared_[b->grid->shared].push_back(b->shared);
    spare_.push_back(std::move(b));
  }

  [[noreturn]] void report(Block& b, int thread, const char* what) {
    block_ = &b;
    thread_ = thread;
    stop(describe() + what);
  }
  /// What was launched is forgotten with the fault in it.
  [[noreturn]] void stop(const std::string& what) {
    running_ = early_ = false;
    pending_blocks_.clear();
    pending_.reset();
    complete_ = launches_;
    fail(what);
  }

  /// Runs the lanes of a warp until each waits for more than the warp or has ended.
  void run_warp(Block& b, int first, int count) {
    Thread* lanes = b.threads.data() + first;
    for (;;) {
      int at_op = 0;
      for (int i = 0; i < 32; ++i) {
        const int l = (b.first_lane + i * b.lane_step) % 32;
        if (l >= count) continue;
        Thread& t = lanes[l];
        if (t.wait == Wait::none) {
          block_ = &b;
          thread_ = first + l;
          running_ = true;
          t.fiber = std::move(t.fiber).resume();
          running_ = false;
          if (t.wait == Wait::failed) {
            // Nobody may unwind it: the compiler thinks that a load cannot throw.
            static_cast<void>(new ctx::fiber(std::move(t.fiber)));
            stop(failure_);
          }
        }
        at_op += t.wait == Wait::warp;
      }
      if (at_op == 0) return;
      const auto at =
          std::find_if(lanes, lanes + count, [](const Thread& t) { return t.wait == Wait::warp; });
      for (int l = 0; l < count; ++l)
        if (lanes[l].wait != Wait::warp || lanes[l].op != at->op)
          report(b, first + l, "does not take part in an operation of its warp");
      if (count < 32) report(b, first, "a warp operation in a warp of fewer than 32 threads");
      if (at->op == WarpOp::shuffle)
        exchange(lanes);
      else
        multiply(lanes, at->op == WarpOp::mma_bf16 ? bf16_at : half_at);
      for (int l = 0; l < count; ++l) lanes[l].wait = Wait::none;
    }
  }

  /// Until the block has ended; started early, until it waits for the launches before.
  void advance(Block& b) {
    const int threads = int(b.threads.size());
    for (;;) {
      for (const int warp : b.warps) run_warp(b, warp * 32, std::min(32, threads - warp * 32));
      int waiting = 0, ended = 0, at_launches = 0;
      for (const Thread& t : b.threads) {
        waiting += t.wait == Wait::block;
        ended += t.wait == Wait::ended;
        at_launches += t.wait == Wait::launches;
      }
      if (ended == threads) return;
      if (at_launches > 0) {
        if (early_) return;
        for (Thread& t : b.threads)
          if (t.wait == Wait::launches) {
            t.wait = Wait::none;
            t.waited = true;
          }
        continue;
      }
      if (waiting < threads)
        for (int i = 0; i < threads; ++i)
          if (b.threads[std::size_t(i)].wait != Wait::block) report(b, i, "does not come to a barrier");
      // Behind a barrier all know what one has waited for.
      bool waited = false, knows = false;
      for (const Thread& t : b.threads) {
        waited |= t.waited;
        knows |= t.knows_others;
      }
      for (Thread& t : b.threads) {
        t.wait = Wait::none;
        t.waited = waited;
        t.knows_others = knows;
      }
      ++b.epoch;
      shuffle(b);
    }
  }

  Emulation emulation_;
  std::mt19937_64 random_;
  ctx::pooled_fixedsize_stack stacks_{std::size_t(kStack)};
  std::vector<std::unique_ptr<Block>> spare_;
  std::map<std::size_t, std::vector<unsigned char*>> shared_;   // by size
  std::map<const std::uint32_t*, EmulatedMemory::Ends> ended_;  // blocks that have counted, by counter
  std::unique_ptr<Grid> pending_;  // launched, not run: the next one may be started before
  std::vector<std::unique_ptr<Block>> pending_blocks_;
  std::uint32_t launches_ = 0, complete_ = 0;
  std::exception_ptr late_;
  std::string failure_;
  Block* block_ = nullptr;
  int thread_ = 0;
  bool running_ = false, early_ = false;
};

// Where kernels are not watched, the pages around each block of memory still are.
struct sigaction before;
void segmentation_fault(int signal, siginfo_t* info, void* context) {
  if (machine && machine->running() && machine->memory.contains(info->si_addr)) {
    const std::string text = machine->describe() + "out of range: memory of the card that is not allocated\n";
    static_cast<void>(!::write(2, text.data(), text.size()));
  }
  if (before.sa_flags & SA_SIGINFO)
    before.sa_sigaction(signal, info, context);
  else
    ::sigaction(signal, &before, nullptr);  // and again, to whoever that is
}
void watch_pages() {
  struct sigaction now {};
  ::sigaction(SIGSEGV, nullptr, &now);
  if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == segmentation_fault) return;
  before = now;
  struct sigaction ours {};
  ours.sa_sigaction = segmentation_fault;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigaction(SIGSEGV, &ours, nullptr);
}

class EmulatedDriver final : public cuda::Driver {
 public:
  explicit EmulatedDriver(const Emulation& emulation) : machine_(std::make_shared<Machine>(emulation)) {
    watch_pages();
  }
  ~EmulatedDriver() override { machine_->finish_quietly(); }

  std::string_view name() const noexcept override { return "emulated"; }
  std::size_t free_bytes() override { return std::size_t{1} << 40; }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    unsigned char* at = machine_->memory.allocate(bytes, "device");
    return {reinterpret_cast<std::byte*>(at), [m = machine_](std::byte* p) {
              m->finish_quietly();  // as the driver: memory goes when nobody uses it any more
              m->memory.release(p);
            }};
  }
  void upload(const void* host, void* to, std::size_t bytes) override {
    machine_->finish();
    check(machine_->memory.host_write(to, bytes));
    if (bytes > 0) std::memcpy(to, host, bytes);
  }
  void download(const void* from, void* host, std::size_t bytes) override {
    machine_->finish();
    check(machine_->memory.host_read(from, bytes));
    if (bytes > 0) std::memcpy(host, from, bytes);
  }
  void copy(const void* from, void* to, std::size_t bytes) override {
    machine_->finish();
    check(machine_->memory.host_copy(from, to, bytes));
    std::memcpy(to, from, bytes);
  }
  void clear(void* to, std::size_t bytes) override {
    machine_->finish();
    check(machine_->memory.host_write(to, bytes));
    std::memset(to, 0, bytes);
  }
  void launch(const cuda::Launch& launch, const void* arguments, std::size_t bytes) override {
    machine_->launch(launch, arguments, bytes);
  }

 private:
  static void check(const std::string& wrong) {
    if (!wrong.empty()) fail("driver: ", wrong);
  }
  std::shared_ptr<Machine> machine_;
};

}  // namespace

static void watch(const void* at, std::size_t bytes, bool write) {
  if (machine && machine->running() && machine->hunts()) machine->touch(at, bytes, write);
}

std::shared_ptr<cuda::Driver> make_emulated_driver(const Emulation& emulation) {
  return std::make_shared<EmulatedDriver>(emulation);
}

}  // namespace la::test

namespace la::inline LA_ABI::kernels::cuda::emulated {

int thread_index() noexcept {
  return test::machine->thread_index();
}
int block_size() noexcept {
  return int(test::machine->block().threads.size());
}
int block_index_x() noexcept {
  return test::machine->block().x;
}
int block_index_y() noexcept {
  return test::machine->block().y;
}
unsigned char* shared_memory() noexcept {
  return test::machine->block().shared;
}
void sync_block() {
  test::machine->wait_for(test::Wait::block);
}
void wait_for_launches() {
  test::Thread& t = test::machine->thread();
  if (test::machine->starts_early() && !t.waited) test::machine->wait_for(test::Wait::launches);
  t.waited = true;
}
void multiply(test::WarpOp op, float* c, const std::uint32_t* a, std::uint32_t b0, std::uint32_t b1) {
  test::Thread& t = test::machine->thread();
  t.op = op;
  t.mma = {c, a, {b0, b1}};
  test::machine->wait_for(test::Wait::warp);
}
void mma_bf16(float* c, const std::uint32_t* a, std::uint32_t b0, std::uint32_t b1) {
  multiply(test::WarpOp::mma_bf16, c, a, b0, b1);
}
void mma_half(float* c, const std::uint32_t* a, std::uint32_t b0, std::uint32_t b1) {
  multiply(test::WarpOp::mma_half, c, a, b0, b1);
}
float shuffle_xor(float value, int mask) {
  test::Thread& t = test::machine->thread();
  t.op = test::WarpOp::shuffle;
  t.shuffle = {&value, mask};
  test::machine->wait_for(test::Wait::warp);
  return value;
}
void fence_device() {
  test::machine->fence();
}
std::uint32_t count_around(std::uint32_t* counter, std::uint32_t last) {
  return test::machine->count(counter, last);
}
void copy_async(void* to, const void* from, int bytes) {
  test::Machine& m = *test::machine;
  if (m.hunts()) {
    m.touch(from, std::size_t(bytes), false);
    m.touch(to, std::size_t(bytes), true);  // it may arrive now
    m.memory.set_in_flight(to, std::size_t(bytes), true);
  }
  m.thread().copies.push_back({to, from, bytes, m.thread().group});
}
void commit_copies() {
  ++test::machine->thread().group;
}
void wait_copies(int groups_in_flight) {
  test::machine->land_copies(groups_in_flight);
}

}  // namespace la::inline LA_ABI::kernels::cuda::emulated

// What -fsanitize=thread makes of a load and a store.
extern "C" {

#define LA_WATCH(SIZE)                          \
  void __tsan_read##SIZE(void* at);             \
  void __tsan_write##SIZE(void* at);            \
  void __tsan_unaligned_read##SIZE(void* at);   \
  void __tsan_unaligned_write##SIZE(void* at);  \
  void __tsan_read##SIZE(void* at) {            \
    la::test::watch(at, SIZE, false);           \
  }                                             \
  void __tsan_write##SIZE(void* at) {           \
    la::test::watch(at, SIZE, true);            \
  }                                             \
  void __tsan_unaligned_read##SIZE(void* at) {  \
    la::test::watch(at, SIZE, false);           \
  }                                             \
  void __tsan_unaligned_write##SIZE(void* at) { \
    la::test::watch(at, SIZE, true);            \
  }
LA_WATCH(1)
LA_WATCH(2)
LA_WATCH(4)
LA_WATCH(8)
LA_WATCH(16)
#undef LA_WATCH

void __tsan_init();
void __tsan_init() {}
void __tsan_func_entry(void*);
void __tsan_func_entry(void*) {}
void __tsan_func_exit();
void __tsan_func_exit() {}
void __tsan_read_range(void* at, unsigned long bytes);
void __tsan_read_range(void* at, unsigned long bytes) {
  la::test::watch(at, bytes, false);
}
void __tsan_write_range(void* at, unsigned long bytes);
void __tsan_write_range(void* at, unsigned long bytes) {
  la::test::watch(at, bytes, true);
}
void* __tsan_memcpy(void* to, const void* from, unsigned long bytes);
void* __tsan_memcpy(void* to, const void* from, unsigned long bytes) {
  la::test::watch(from, bytes, false);
  la::test::watch(to, bytes, true);
  return std::memcpy(to, from, bytes);
}
void* __tsan_memset(void* to, int value, unsigned long bytes);
void* __tsan_memset(void* to, int value, unsigned long bytes) {
  la::test::watch(to, bytes, true);
  return std::memset(to, value, bytes);
}

}  // extern "C"
