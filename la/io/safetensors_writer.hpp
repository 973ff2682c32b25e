#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "../core/inline.hpp"
#include "safetensors.hpp"

namespace la::inline LA_ABI {

/// A tensor to be written: what it is, and how its bytes come, in order and in pieces of any size.
struct TensorSource {
  using Sink = std::function<void(std::span<const std::byte>)>;

  std::string name;
  DType dtype = DType::f32;
  std::vector<i64> shape;
  std::function<void(const Sink&)> produce;

  std::size_t bytes() const noexcept;
};

/// Writes a safetensors file, tensors in the order given and their data from a multiple of 64 bytes on. It appears
/// under its name only when it is complete.
/// error: the file cannot be written, a tensor that gives more or fewer bytes than its shape has
void write_safetensors(const std::string& path, const std::map<std::string, std::string>& metadata,
                       const std::vector<TensorSource>& tensors);

/// A tensor that is copied as it is.
TensorSource copy_of(const StoredTensor& tensor);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "safetensors_writer.cpp"
#endif
