#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../core/storage.hpp"
#include "ops.hpp"

namespace la::inline LA_ABI {

/// An arena for the intermediate results of forward passes, in a backend's memory. Views taken inside a Scope end
/// with it. When the outermost scope ends, the memory is joined into one block, so a pass no larger than an earlier
/// one allocates nothing.
class Workspace {
 public:
  explicit Workspace(Ops& ops) : ops_(&ops) {}

  class Scope {
   public:
    explicit Scope(Workspace& w) : workspace_(w), block_(w.block_), used_(w.used_) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { workspace_.rewind(block_, used_); }

   private:
    Workspace& workspace_;
    std::size_t block_, used_;
  };

  /// A dense view of uninitialised floats.
  /// fails: std::bad_alloc
  template <std::size_t R>
  Tensor<float, R> take(const std::array<i64, R>& shape) {
    Tensor<float, R> view(nullptr, shape);
    view.data = reinterpret_cast<float*>(take_bytes(std::size_t(view.size()) * sizeof(float)));
    return view;
  }
  Matrix matrix(i64 rows, i64 columns) { return take<2>({rows, columns}); }

  /// How often memory was asked of the backend.
  i64 allocations() const noexcept { return allocations_; }
  std::size_t bytes() const noexcept {
    std::size_t sum = 0;
    for (const Block& b : blocks_) sum += b.size;
    return sum;
  }

 private:
  struct Block {
    std::shared_ptr<std::byte> memory;
    std::size_t size = 0;
  };

  std::byte* take_bytes(std::size_t bytes) {
    bytes = round_up(bytes, kAlignment);
    while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) add_block(std::max(bytes, std::size_t{1} << 20));
    std::byte* p = blocks_[block_].memory.get() + used_;
    used_ += bytes;
    return p;
  }

  void add_block(std::size_t size) {
    blocks_.push_back({ops_->allocate(size), size});
    ++allocations_;
  }

  void rewind(std::size_t block, std::size_t used) {
    block_ = block;
    used_ = used;
    if (block == 0 && used == 0 && blocks_.size() > 1) {
      const std::size_t all = bytes();
      blocks_.clear();
      try {
        add_block(all);
      } catch (const std::bad_alloc&) {  // runs in a destructor: the next pass asks again, piece by piece
      }
    }
  }

  Ops* ops_;
  std::vector<Block> blocks_;
  std::size_t block_ = 0, used_ = 0;
  i64 allocations_ = 0;
};

}  // namespace la::inline LA_ABI
