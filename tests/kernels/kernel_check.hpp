#pragma once

#include <chrono>
#include <cmath>
#include <cstring>
#include <cstdint>
#include <string>
#include <vector>

#include "../../kernels/dispatch.hpp"
#include "../../la/core/tensor.hpp"
#include "../noise.hpp"
#include "../support.hpp"

namespace la::test {

/// A buffer with guard words on both sides and a chosen misalignment, so that a kernel which writes outside its
/// bounds or assumes alignment is found out.
template <class T>
class Guarded {
 public:
  explicit Guarded(i64 size, int misalign = 0)
      : size_(size), values_(std::size_t(size + 2 * kGuard + misalign), guard()) {
    start_ = kGuard + misalign;
  }
  T* data() { return values_.data() + start_; }
  i64 size() const { return size_; }
  T& operator[](i64 i) { return values_[std::size_t(start_ + i)]; }
  bool intact() const {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const bool inside = i >= std::size_t(start_) && i < std::size_t(start_ + size_);
      if (!inside && std::memcmp(&values_[i], &kPattern, sizeof(T)) != 0) return false;
    }
    return true;
  }
  std::vector<T> copy() const { return {values_.begin() + start_, values_.begin() + start_ + size_}; }

 private:
  static constexpr int kGuard = 64;
  static constexpr std::uint32_t kPattern = 0x7fc0dead;  // a NaN that no arithmetic makes
  static T guard() {
    T value;
    std::memcpy(&value, &kPattern, sizeof(T));
    return value;
  }
  i64 size_, start_;
  std::vector<T> values_;
};

/// The instruction sets that this machine runs, scalar included.
inline std::vector<const kernels::Isa*> runnable_isas() {
  std::vector<const kernels::Isa*> isas;
  for (const kernels::Isa& isa : kernels::built_in_isas())
    if (isa.supported()) isas.push_back(&isa);
  return isas;
}

}  // namespace la::test
