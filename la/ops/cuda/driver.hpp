#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "../../../kernels/abi.hpp"
#include "../download.hpp"

namespace la::inline LA_ABI::cuda {

/// Thrown by Driver::allocate.
struct OutOfDeviceMemory final : std::bad_alloc {
  const char* what() const noexcept override { return "out of device memory"; }
};

/// Bytes of a weight that travel to a card at once: the host holds one such slice of it, the card one more.
inline constexpr std::size_t kWeightSlice = std::size_t{16} << 20;

/// A kernel's name, its grid and block, and the bytes of shared memory it asks for.
struct Launch {
  const char* kernel = nullptr;
  unsigned grid_x = 1, grid_y = 1, threads = 128;
  std::size_t shared = 0;
  /// May start while launches before it still run, and waits for them itself (wait_for_launches). Weights and all else that
  /// it reads before must be older than the last launch that is not dependent.
  bool dependent = false;
};

/// How many launches there were, and how many of them, from the first on, have gone to the card: the others wait, to go
/// together.
struct LaunchCount {
  std::uint64_t made = 0, sent = std::numeric_limits<std::uint64_t>::max();
};

/// What the backend asks of a card, or of what stands in for one. Everything happens in the order of the calls, but for
/// upload_ahead; upload and download come back when the host's memory is free again. Memory may be given back by any thread.
/// error: what the card refused, and with what, maybe of a call before
class Driver {
 public:
  virtual ~Driver() = default;
  /// "NVIDIA H100 80GB HBM3"
  virtual std::string_view name() const noexcept = 0;
  virtual std::size_t free_bytes() = 0;
  /// Device memory, not initialised; it keeps the driver alive.
  /// fails: OutOfDeviceMemory
  virtual std::shared_ptr<std::byte> allocate(std::size_t bytes) = 0;
  virtual void upload(const void* host, void* device, std::size_t bytes) = 0;
  /// An upload before the launches that wait. They must not use that memory; those behind it may.
  virtual void upload_ahead(const void* host, void* device, std::size_t bytes) {
    upload(host, device, bytes);
  }
  virtual void download(const void* device, void* host, std::size_t bytes) = 0;
  /// A download of so many floats that is waited for later.
  virtual std::unique_ptr<Download> start_download(const float* from, std::size_t count) {
    std::vector<float> values(count);
    download(from, values.data(), count * sizeof(float));
    return std::make_unique<FinishedDownload>(std::move(values));
  }
  virtual void copy(const void* from, void* to, std::size_t bytes) = 0;
  virtual void clear(void* device, std::size_t bytes) = 0;
  /// arguments: the kernel's struct, copied before the call returns
  virtual void launch(const Launch& launch, const void* arguments, std::size_t bytes) = 0;
  /// Where each launch goes at once, all have been sent.
  virtual LaunchCount launches() const noexcept { return {}; }
};

}  // namespace la::inline LA_ABI::cuda
