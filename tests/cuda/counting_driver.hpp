#pragma once

#include <map>
#include <string>
#include <utility>

#include "emulation.hpp"

namespace la::test {

/// An emulated card that counts what is launched on it.
class CountingDriver final : public cuda::Driver {
 public:
  std::string_view name() const noexcept override { return card_->name(); }
  std::size_t free_bytes() override { return card_->free_bytes(); }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override { return card_->allocate(bytes); }
  void upload(const void* host, void* to, std::size_t bytes) override { card_->upload(host, to, bytes); }
  void download(const void* from, void* host, std::size_t bytes) override {
    card_->download(from, host, bytes);
  }
  void copy(const void* from, void* to, std::size_t bytes) override { card_->copy(from, to, bytes); }
  void clear(void* to, std::size_t bytes) override { card_->clear(to, bytes); }
  void launch(const cuda::Launch& launch, const void* arguments, std::size_t bytes) override {
    ++launches[{launch.kernel, launch.grid_y > 1}];
    card_->launch(launch, arguments, bytes);
  }

  /// By kernel, and whether the grid has a second dimension.
  std::map<std::pair<std::string, bool>, int> launches;

 private:
  std::shared_ptr<cuda::Driver> card_ = make_emulated_driver();
};

}  // namespace la::test
