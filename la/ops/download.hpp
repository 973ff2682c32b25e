#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI {

/// Values on their way from a backend's memory to the host.
class Download {
 public:
  virtual ~Download() = default;
  /// Comes back when they are there. They stay as long as this object.
  /// error: what went wrong on the device until then
  virtual std::span<const float> wait() = 0;
};

/// Values that are there.
class FinishedDownload final : public Download {
 public:
  explicit FinishedDownload(std::vector<float> values) : values_(std::move(values)) {}
  std::span<const float> wait() override { return values_; }

 private:
  std::vector<float> values_;
};

}  // namespace la::inline LA_ABI
