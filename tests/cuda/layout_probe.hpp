#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "../../la/core/error.hpp"

namespace la::test {

/// Whether Y [M, N] = X [M, K] W [N, K]^T pairs each input with its weight and its row: wrong operands in the fragments of a
/// tensor product are pairs that do not belong together. Output n takes input (stride n + shift) mod K alone, and rows and
/// inputs are numbers that say where they come from; both are below 256, which bf16 holds.
/// product: (x, w, y)
inline std::string layout_fault(
    const std::string& kernel, int rows, int outputs, int inputs,
    const std::function<void(std::span<const float>, std::span<const float>, std::span<float>)>& product) {
  constexpr int kStride = 7;
  const auto size = [](int a, int b) { return std::size_t(a) * std::size_t(b); };
  for (int shift = 0; shift < inputs; shift += outputs * kStride) {
    std::vector<float> w(size(outputs, inputs)), from_row(size(rows, inputs)),
        from_input = from_row, row(size(rows, outputs)), input = row;
    for (int n = 0; n < outputs; ++n) w[size(n, inputs) + std::size_t((n * kStride + shift) % inputs)] = 1;
    for (int m = 0; m < rows; ++m)
      for (int k = 0; k < inputs; ++k) {
        from_row[size(m, inputs) + std::size_t(k)] = float(m + 1);
        from_input[size(m, inputs) + std::size_t(k)] = float(k + 1);
      }
    product(from_row, w, row);
    product(from_input, w, input);
    for (int m = 0; m < rows; ++m)
      for (int n = 0; n < outputs; ++n) {
        const float in_row = row[size(m, outputs) + std::size_t(n)] - 1,
                    in_column = input[size(m, outputs) + std::size_t(n)] - 1;
        const int k = (n * kStride + shift) % inputs;
        // Weights of a few bits are ones within a thousandth.
        if (std::abs(in_row - float(m)) < 0.4f && std::abs(in_column - float(k)) < 0.4f) continue;
        return detail::concat("kernel ", kernel, ": wrong fragment layout: output ", n, " of row ", m,
                              ": expected input ", k, " of that row, found the sum of ", in_column,
                              " of row ", in_row);
      }
  }
  return "";
}

}  // namespace la::test
