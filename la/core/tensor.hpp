#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI {

using i64 = std::int64_t;

/// A non-owning view of R dimensions: a pointer, a shape and strides (in elements). It may point at device
/// memory: only the backend that allocated it may then read it.
///
/// Dimension letters used everywhere: T tokens, C channels, H heads, G key/value heads, D head size, F ffn size,
/// P patches, V vocabulary; M N K in matrix products.
template <class T, std::size_t R>
struct Tensor {
  T* data = nullptr;
  std::array<i64, R> shape{};
  std::array<i64, R> stride{};

  Tensor() = default;

  /// A dense row-major view.
  Tensor(T* data_, const std::array<i64, R>& shape_) : data(data_), shape(shape_) {
    i64 step = 1;
    for (std::size_t r = R; r-- > 0;) {
      stride[r] = step;
      step *= shape[r];
    }
  }

  Tensor(T* data_, const std::array<i64, R>& shape_, const std::array<i64, R>& stride_)
      : data(data_), shape(shape_), stride(stride_) {}

  /// A view of T converts to a view of const T.
  operator Tensor<const T, R>() const requires(!std::is_const_v<T>) { return {data, shape, stride}; }

  i64 size() const noexcept {
    i64 n = 1;
    for (i64 s : shape) n *= s;
    return n;
  }

  bool dense() const noexcept {
    i64 step = 1;
    for (std::size_t r = R; r-- > 0;) {
      if (shape[r] != 1 && stride[r] != step) return false;
      step *= shape[r];
    }
    return true;
  }

  template <class... I>
  T& operator()(I... index) const noexcept {
    static_assert(sizeof...(I) == R);
    i64 offset = 0;
    std::size_t r = 0;
    ((assert(index >= 0 && index < shape[r]), offset += i64(index) * stride[r], ++r), ...);
    return data[offset];
  }

  /// The pointer to row i of the first dimension.
  T* row(i64 i) const noexcept {
    assert(i >= 0 && i < shape[0]);
    return data + i * stride[0];
  }

  /// Rows [begin, begin + count) of the first dimension.
  Tensor rows(i64 begin, i64 count) const noexcept {
    assert(begin >= 0 && count >= 0 && begin + count <= shape[0]);
    Tensor t = *this;
    t.data += begin * stride[0];
    t.shape[0] = count;
    return t;
  }

  /// Elements [begin, begin + count) of the last dimension.
  Tensor columns(i64 begin, i64 count) const noexcept {
    assert(begin >= 0 && count >= 0 && begin + count <= shape[R - 1]);
    Tensor t = *this;
    t.data += begin * stride[R - 1];
    t.shape[R - 1] = count;
    return t;
  }

  /// The same elements under another shape of equal size; the view must be dense.
  template <std::size_t S>
  Tensor<T, S> reshape(const std::array<i64, S>& to) const noexcept {
    assert(dense());
    Tensor<T, S> t(data, to);
    assert(t.size() == size());
    return t;
  }

  /// Splits the last dimension into `heads` x rest: [T, H*D] -> [T, H, D]. Works on strided rows.
  Tensor<T, R + 1> split_heads(i64 heads) const noexcept {
    Tensor<T, R + 1> t;
    t.data = data;
    for (std::size_t r = 0; r + 1 < R; ++r) {
      t.shape[r] = shape[r];
      t.stride[r] = stride[r];
    }
    const i64 d = shape[R - 1] / heads;
    assert(d * heads == shape[R - 1]);
    t.shape[R - 1] = heads;
    t.stride[R - 1] = d * stride[R - 1];
    t.shape[R] = d;
    t.stride[R] = stride[R - 1];
    return t;
  }
};

using Vector = Tensor<float, 1>;
using Matrix = Tensor<float, 2>;
using Cube = Tensor<float, 3>;
using ConstVector = Tensor<const float, 1>;
using ConstMatrix = Tensor<const float, 2>;
using ConstCube = Tensor<const float, 3>;

}  // namespace la::inline LA_ABI
