#include "card.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../core/error.hpp"
#include "launch_graphs.hpp"

namespace la::inline LA_ABI::cuda {

extern const Ptx kPtx[];  // oldest cards first; made by kernels/cuda/embed_ptx.sh
extern const std::size_t kPtxCount;

namespace {

constexpr const char* kLibrary = "libcuda.so.1";
constexpr Result kOutOfMemory = 2;
constexpr int kSharedBytes = 8;  // CUfunction_attribute: most that a launch may ask for
constexpr unsigned kSharedUnasked = 48 << 10;
constexpr int kCapabilityMajor = 75, kCapabilityMinor = 76;  // CUdevice_attribute

/// error: no driver, or one that lacks a function
Api load_api() {
  void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  require(library, "device cuda: expected the NVIDIA driver's ", kLibrary, ", found none (", ::dlerror(),
          ")");
  Api api;
  const auto find_if_there = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
  };
  const auto find = [&](auto& function, const char* name) {
    find_if_there(function, name);
    require(function != nullptr, "device cuda: expected ", name, " in ", kLibrary,
            ", found a driver without it");
  };
#define LA_FIND(NAME) find(api.NAME, #NAME)
  LA_FIND(cuInit);
  LA_FIND(cuDriverGetVersion);
  LA_FIND(cuDeviceGetCount);
  LA_FIND(cuDeviceGet);
  LA_FIND(cuDeviceGetName);
  LA_FIND(cuDeviceGetAttribute);
  LA_FIND(cuDevicePrimaryCtxRetain);
  LA_FIND(cuDevicePrimaryCtxRelease_v2);
  LA_FIND(cuCtxSetCurrent);
  LA_FIND(cuModuleLoadDataEx);
  LA_FIND(cuModuleGetFunction);
  LA_FIND(cuFuncSetAttribute);
  LA_FIND(cuStreamCreate);
  LA_FIND(cuStreamSynchronize);
  LA_FIND(cuMemGetInfo_v2);
  LA_FIND(cuMemAlloc_v2);
  LA_FIND(cuMemFree_v2);
  LA_FIND(cuMemcpyHtoDAsync_v2);
  LA_FIND(cuMemcpyDtoHAsync_v2);
  LA_FIND(cuMemcpyDtoDAsync_v2);
  LA_FIND(cuMemsetD8Async);
  LA_FIND(cuLaunchKernel);
  LA_FIND(cuMemAllocHost_v2);
  LA_FIND(cuMemFreeHost);
  LA_FIND(cuEventCreate);
  LA_FIND(cuEventRecord);
  LA_FIND(cuEventSynchronize);
  LA_FIND(cuEventDestroy_v2);
  LA_FIND(cuGetErrorString);
  LA_FIND(cuGraphCreate);
  LA_FIND(cuGraphDestroy);
  LA_FIND(cuGraphAddKernelNode);
  LA_FIND(cuGraphInstantiateWithFlags);
  LA_FIND(cuGraphExecKernelNodeSetParams);
  LA_FIND(cuGraphLaunch);
  LA_FIND(cuGraphExecDestroy);
#undef LA_FIND
  find_if_there(api.cuLaunchKernelEx, "cuLaunchKernelEx");
  find_if_there(api.cuGraphAddDependencies_v2, "cuGraphAddDependencies_v2");
  return api;
}

Address address_of(const void* p) noexcept {
  return static_cast<Address>(reinterpret_cast<std::uintptr_t>(p));
}

/// Launches wait until something must come behind them, and go to the card together, as a graph where such a one has been
/// there before: LaunchGraphs. So does memory wait that is given back under launches that wait.
class Card final : public Driver, public std::enable_shared_from_this<Card> {
 public:
  explicit Card(int index) : where_(detail::concat("device cuda:", index)), api_(load_api()) {
    check(api_.cuInit(0), "starting the driver");
    int count = 0;
    check(api_.cuDeviceGetCount(&count), "counting the cards");
    require(index < count, where_, ": expected one of the ", count, " cards that the driver shows");
    check(api_.cuDeviceGet(&device_, index), "opening the card");
    char name[128] = {};
    check(api_.cuDeviceGetName(name, int(sizeof name) - 1, device_), "reading its name");
    name_ = name;
    where_ += " (" + name_ + ")";
    check(api_.cuDevicePrimaryCtxRetain(&context_, device_), "making a context");
    use();
    check(api_.cuStreamCreate(&stream_, 1 /* not in step with other streams */), "making a stream");
    load_kernels();
    graphs_.emplace(api_);
  }
  ~Card() override {
    static_cast<void>(api_.cuCtxSetCurrent(context_));
    graphs_.reset();
    give_back();
    if (!landings_.empty()) static_cast<void>(api_.cuStreamSynchronize(stream_));
    for (const Landing& landing : landings_) destroy(landing);
    static_cast<void>(api_.cuDevicePrimaryCtxRelease_v2(device_));
  }

  std::string_view name() const noexcept override { return name_; }
  std::size_t free_bytes() override {
    flush_if_given_back();
    std::size_t free = 0, total = 0;
    check(api_.cuMemGetInfo_v2(&free, &total), "asking for its memory");
    return free;
  }

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    flush_if_given_back();
    Address at = 0;
    const Result result = api_.cuMemAlloc_v2(&at, bytes > 0 ? bytes : 1);
    if (result == kOutOfMemory) throw OutOfDeviceMemory();
    check(result, "allocating memory");
    return {reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(at)),
            [self = shared_from_this()](std::byte* p) { self->free(p); }};
  }

  void upload(const void* host, void* to, std::size_t bytes) override {
    flush();
    upload_ahead(host, to, bytes);
  }
  void upload_ahead(const void* host, void* to, std::size_t bytes) override {
    use();
    // From pageable memory the driver comes back once it has its own copy.
    if (bytes > 0) check(api_.cuMemcpyHtoDAsync_v2(address_of(to), host, bytes, stream_), "an upload");
  }
  void download(const void* from, void* host, std::size_t bytes) override {
    flush();
    if (bytes > 0) check(api_.cuMemcpyDtoHAsync_v2(host, address_of(from), bytes, stream_), "a download");
    check(api_.cuStreamSynchronize(stream_), "waiting for a download");
  }
  /// Into memory that the driver knows, or it would wait for the copy, and read behind an event, or launches behind it would be
  /// waited for, too.
  std::unique_ptr<Download> start_download(const float* from, std::size_t count) override {
    flush();
    auto download = std::make_unique<CardDownload>(shared_from_this(), take_landing(count), count);
    const Landing& to = download->landing();
    if (count > 0)
      check(api_.cuMemcpyDtoHAsync_v2(to.memory, address_of(from), count * sizeof(float), stream_),
            "a download");
    check(api_.cuEventRecord(to.event, stream_), "recording an event");
    return download;
  }
  void copy(const void* from, void* to, std::size_t bytes) override {
    flush();
    check(api_.cuMemcpyDtoDAsync_v2(address_of(to), address_of(from), bytes, stream_), "a copy");
  }
  void clear(void* to, std::size_t bytes) override {
    flush();
    check(api_.cuMemsetD8Async(address_of(to), 0, bytes, stream_), "clearing memory");
  }

  void launch(const Launch& l, const void* arguments, std::size_t bytes) override {
    use();
    const std::lock_guard lock(mutex_);
    waiting_.add(function_of(l), l, l.dependent && can_wait_, arguments, bytes);
    ++count_.made;
    if (waiting_.launches.size() == LaunchBatch::kMost) send();
  }
  LaunchCount launches() const noexcept override { return count_; }

 private:
  /// Memory of the host where a download ends, and the event behind it.
  struct Landing {
    float* memory = nullptr;
    std::size_t room = 0;
    void* event = nullptr;
  };
  class CardDownload final : public Download {
   public:
    CardDownload(std::shared_ptr<Card> card, const Landing& landing, std::size_t count)
        : card_(std::move(card)), landing_(landing), count_(count) {}
    CardDownload(const CardDownload&) = delete;
    CardDownload& operator=(const CardDownload&) = delete;
    /// Should it not have ended: what lands there next does so behind it.
    ~CardDownload() override { card_->keep(landing_); }
    const Landing& landing() const noexcept { return landing_; }
    std::span<const float> wait() override {
      card_->use();
      card_->check(card_->api_.cuEventSynchronize(landing_.event), "waiting for a download");
      return {landing_.memory, count_};
    }

   private:
    std::shared_ptr<Card> card_;
    Landing landing_;
    std::size_t count_;
  };

  Landing take_landing(std::size_t count) {
    {
      const std::lock_guard lock(mutex_);
      const auto roomy = std::find_if(landings_.begin(), landings_.end(),
                                      [&](const Landing& landing) { return landing.room >= count; });
      if (roomy != landings_.end()) {
        const Landing landing = *roomy;
        landings_.erase(roomy);
        return landing;
      }
    }
    Landing landing;
    void* memory = nullptr;
    check(api_.cuMemAllocHost_v2(&memory, std::max<std::size_t>(count, 1) * sizeof(float)),
          "allocating memory of the host");
    landing.memory = static_cast<float*>(memory);
    landing.room = count;
    const Result result = api_.cuEventCreate(&landing.event, 2 /* without a time */);
    if (result != 0) static_cast<void>(api_.cuMemFreeHost(memory));
    check(result, "making an event");
    return landing;
  }
  /// The largest two stay: of a pass, and of the one behind it.
  void keep(const Landing& landing) noexcept {
    const std::lock_guard lock(mutex_);
    landings_.push_back(landing);
    if (landings_.size() <= 2) return;
    const auto smallest =
        std::min_element(landings_.begin(), landings_.end(),
                         [](const Landing& a, const Landing& b) { return a.room < b.room; });
    static_cast<void>(api_.cuCtxSetCurrent(context_));
    static_cast<void>(api_.cuEventSynchronize(smallest->event));
    destroy(*smallest);
    landings_.erase(smallest);
  }
  void destroy(const Landing& landing) noexcept {
    static_cast<void>(api_.cuEventDestroy_v2(landing.event));
    static_cast<void>(api_.cuMemFreeHost(landing.memory));
  }

  void flush() {
    use();
    const std::lock_guard lock(mutex_);
    send();
  }
  /// For calls that ask how much memory there is.
  void flush_if_given_back() {
    use();
    const std::lock_guard lock(mutex_);
    if (!given_back_.empty()) send();
  }

  /// What waits goes to the card. It waits no more, whether that has worked or not.
  void send() {
    count_.sent = count_.made;
    LaunchBatch batch = std::exchange(waiting_, std::move(spare_));
    try {
      if (!graphs_->launch(batch, stream_, [&](Result result, const char* what) { check(result, what); }))
        for (const LaunchBatch::One& l : batch.launches) launch_now(l, batch.arguments_of(l));
    } catch (...) {
      give_back();
      throw;
    }
    give_back();
    batch.clear();
    spare_ = std::move(batch);
  }

  void launch_now(const LaunchBatch::One& l, void* arguments) {
    void* parameters[] = {arguments};
    const KernelNode& n = l.node;
    if (!l.dependent) {
      check(api_.cuLaunchKernel(n.function, n.grid_x, n.grid_y, 1, n.block_x, 1, 1, n.shared, stream_,
                                parameters, nullptr),
            l.kernel);
      return;
    }
    LaunchAttribute early{kProgrammaticStreamSerialization, {}, {}};
    early.value.allowed = 1;
    const LaunchConfig config{n.grid_x, n.grid_y, 1, n.block_x, 1, 1, n.shared, stream_, &early, 1};
    check(api_.cuLaunchKernelEx(&config, n.function, parameters, nullptr), l.kernel);
  }

  /// Called by any thread. Launches that wait may use the memory.
  void free(std::byte* p) {
    const std::lock_guard lock(mutex_);
    given_back_.push_back(p);
    if (!waiting_.launches.empty()) return;
    static_cast<void>(api_.cuCtxSetCurrent(context_));
    give_back();
  }
  void give_back() noexcept {
    for (std::byte* p : given_back_) static_cast<void>(api_.cuMemFree_v2(address_of(p)));
    given_back_.clear();
  }

  void load_kernels() {
    int major = 0, minor = 0;
    check(api_.cuDeviceGetAttribute(&major, kCapabilityMajor, device_), "reading its capability");
    check(api_.cuDeviceGetAttribute(&minor, kCapabilityMinor, device_), "reading its capability");
    const int capability = 10 * major + minor;
    const Ptx* best = nullptr;
    for (std::size_t i = 0; i < kPtxCount; ++i)
      if (kPtx[i].capability <= capability) best = &kPtx[i];
    require(best, where_, ": expected compute capability ", kPtx[0].capability / 10, ".",
            kPtx[0].capability % 10, " or later, found ", major, ".", minor);
    can_wait_ = best->capability >= 90 && api_.cuLaunchKernelEx;
    const Result result = api_.cuModuleLoadDataEx(&module_, best->text, 0, nullptr, nullptr);
    int version = 0;
    static_cast<void>(api_.cuDriverGetVersion(&version));
    require(result == 0, where_, ": the driver (CUDA ", version / 1000, ".", version % 1000 / 10,
            ") refused the kernels: ", describe(result), "; a newer driver may take them");
  }

  /// The kernel, with leave for the shared memory that the launch asks for.
  void* function_of(const Launch& l) {
    Function& known = functions_[l.kernel];
    if (!known.handle) check(api_.cuModuleGetFunction(&known.handle, module_, l.kernel), l.kernel);
    if (l.shared > known.shared) {
      check(api_.cuFuncSetAttribute(known.handle, kSharedBytes, int(l.shared)), l.kernel);
      known.shared = unsigned(l.shared);
    }
    return known.handle;
  }

  /// Contexts belong to threads: the calling one may be new.
  void use() { check(api_.cuCtxSetCurrent(context_), "entering its context"); }

  std::string describe(Result result) const {
    const char* text = nullptr;
    if (api_.cuGetErrorString(result, &text) != 0 || !text) text = "unknown";
    return detail::concat("CUDA error ", result, " (", text, ")");
  }
  void check(Result result, const char* what) const {
    if (result != 0) fail(where_, ": ", what, ": ", describe(result));
  }

  std::string where_, name_;
  Api api_;
  int device_ = 0;
  // Kernels made for older cards do not know how to wait for launches beside them; older drivers start none beside others.
  bool can_wait_ = false;
  void *context_ = nullptr, *stream_ = nullptr, *module_ = nullptr;
  struct Function {
    void* handle = nullptr;
    unsigned shared = kSharedUnasked;
  };
  std::map<std::string_view, Function> functions_;
  std::mutex mutex_;  // of all below
  LaunchBatch waiting_, spare_;
  LaunchCount count_{0, 0};
  std::vector<std::byte*> given_back_;
  std::vector<Landing> landings_;  // that nobody uses
  std::optional<LaunchGraphs> graphs_;
};

}  // namespace

std::shared_ptr<Driver> open_card(int index) {
  return std::make_shared<Card>(index);
}

int card_count() {
  const Api api = load_api();
  int count = 0;
  const Result result = api.cuInit(0) != 0 ? 1 : api.cuDeviceGetCount(&count);
  require(result == 0, "device cuda: expected a driver that shows its cards, found CUDA error ", result);
  return count;
}

}  // namespace la::inline LA_ABI::cuda
