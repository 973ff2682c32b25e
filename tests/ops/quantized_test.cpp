#include <cmath>
#include <vector>

#include "../../kernels/dispatch.hpp"
#include "../../la/ops/ops.hpp"
#include "../../la/ops/ops_cpu.hpp"
#include "../support.hpp"
#include "packed_panels.hpp"

// Quantised weights as ops use them, against plain sums over what their codes and scales stand for.
namespace la::test {
namespace {

constexpr PanelFormat kIntegers[] = {PanelFormat::q8, PanelFormat::q4_g128, PanelFormat::q4_g32};

/// Less than a panel and a group, neither a multiple of them, whole ones.
constexpr PanelSize kPanelSizes[] = {{1, 1}, {7, 31}, {49, 200}, {33, 130}, {32, 256}};

/// By the definition in formats.hpp, from the blocks themselves.
template <class Block>
float value_of(const PackedWeight& w, i64 n, i64 k) {
  const auto* blocks = reinterpret_cast<const Block*>(w.panels(n / kernels::kPanel * kernels::kPanel));
  const Block& b = blocks[k / Block::kGroup];
  const auto c = std::size_t(n % kernels::kPanel);
  const i64 i = k % Block::kGroup;
  if constexpr (Block::kBits == 8) {
    return b.scale[c] * float(int(b.q[i / 4][c][i % 4]) - 128);
  } else {
    const int pair = b.q[i / 8][c][i % 4], code = i % 8 < 4 ? pair & 15 : pair >> 4;
    return to_float(f16{b.scale[c]}) * float(code - int(b.zero[c]));
  }
}

std::vector<float> values_of(const PackedWeight& w) {
  std::vector<float> values;
  for (i64 n = 0; n < w.outputs(); ++n)
    for (i64 k = 0; k < w.inputs(); ++k)
      values.push_back(w.panel_format() == PanelFormat::q8        ? value_of<kernels::Q8Block>(w, n, k)
                       : w.panel_format() == PanelFormat::q4_g128 ? value_of<kernels::Q4Block<128>>(w, n, k)
                                                                  : value_of<kernels::Q4Block<32>>(w, n, k));
  return values;
}

/// Checks y = x W^T. What may be off: with f32 activations a chain of K roundings; with 8-bit ones half a step of
/// each input too, amax of its group / 254.
void check_product(ConstMatrix x, const PackedWeight& w, ConstMatrix y, ActivationFormat activations) {
  const std::vector<float> values = values_of(w);
  const i64 group = group_size(w.panel_format()), inputs = w.inputs();
  for (i64 t = 0; t < x.shape[0]; ++t)
    for (i64 n = 0; n < w.outputs(); ++n) {
      double sum = 0, magnitude = 0, rounding = 0;
      for (i64 k0 = 0; k0 < inputs; k0 += group) {
        const i64 end = std::min(k0 + group, inputs);
        double largest = 0, weights = 0;
        for (i64 k = k0; k < end; ++k) {
          const double value = values[std::size_t(n * inputs + k)], input = x(t, k);
          sum += value * input;
          magnitude += std::abs(value * input);
          largest = std::max(largest, std::abs(input));
          weights += std::abs(value);
        }
        rounding += weights * largest / 254;
      }
      const double chain = double(inputs + 4) * 0x1p-24 * (magnitude + rounding);
      const double allowed = chain + (activations == ActivationFormat::q8 ? rounding : 0);
      CAPTURE(t);
      CAPTURE(n);
      REQUIRE(std::abs(double(y(t, n)) - sum) <= allowed);
    }
}

}  // namespace

TEST_CASE("quantised ops: a product is that of the dequantised weight, on every ISA, for odd sizes") {
  for (const kernels::Isa& isa : kernels::built_in_isas()) {
    if (!isa.supported()) continue;
    for (ActivationFormat activations : {ActivationFormat::f32, ActivationFormat::q8}) {
      CpuOptions options;
      options.isa = isa.name;
      options.activations = activations;
      options.threads = 2;
      const auto ops = make_cpu_ops(options);
      for (PanelFormat format : kIntegers)
        for (const PanelSize& size : kPanelSizes)
          for (i64 tokens : {1, 5, 19}) {
            CAPTURE(isa.name);
            CAPTURE(layout_name(format));
            CAPTURE(size.inputs);
            const auto w = random_panels(format, size);
            const std::vector<float> x = normal_values(tokens * size.inputs, 5);
            std::vector<float> y(std::size_t(tokens * size.outputs), NAN);
            const ConstMatrix in(x.data(), {tokens, size.inputs});
            const Matrix out(y.data(), {tokens, size.outputs});
            ops->linear(in, *w, out, Store::overwrite);
            check_product(in, *w, out, activations);
          }
    }
  }
}

TEST_CASE("quantised ops: a table's rows are its dequantised values, bit for bit") {
  const auto ops = make_cpu_ops();
  for (PanelFormat format : kIntegers) {
    const PanelSize size{49, 200};
    const auto w = random_panels(format, size);
    const std::vector<float> all = values_of(*w);
    const std::vector<std::int32_t> ids{48, 0, 16, 15, 31, 16};
    std::vector<float> rows(ids.size() * std::size_t(size.inputs), NAN);
    ops->embedding(*w, ids, {rows.data(), {i64(ids.size()), size.inputs}});
    for (std::size_t i = 0; i < ids.size(); ++i)
      for (i64 k = 0; k < size.inputs; ++k)
        REQUIRE(rows[i * std::size_t(size.inputs) + std::size_t(k)] ==
                all[std::size_t(ids[i] * size.inputs + k)]);
  }
}

TEST_CASE("quantised ops: a tied head multiplies with the rows that the table gives") {
  CpuOptions options;
  options.activations = ActivationFormat::f32;
  const auto ops = make_cpu_ops(options);
  for (PanelFormat format : kIntegers) {
    const PanelSize size{49, 96};
    const auto w = random_panels(format, size);
    std::vector<std::int32_t> ids(std::size_t(size.outputs));
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = std::int32_t(i);
    std::vector<float> table(std::size_t(size.outputs * size.inputs));
    ops->embedding(*w, ids, {table.data(), {size.outputs, size.inputs}});
    // One input at a time: the logits are a column of the table.
    for (i64 k = 0; k < size.inputs; ++k) {
      std::vector<float> one(std::size_t(size.inputs)), logits(std::size_t(size.outputs));
      one[std::size_t(k)] = 1;
      ops->linear({one.data(), {1, size.inputs}}, *w, {logits.data(), {1, size.outputs}}, Store::overwrite);
      for (i64 n = 0; n < size.outputs; ++n)
        REQUIRE(logits[std::size_t(n)] == table[std::size_t(n * size.inputs + k)]);
    }
  }
}

}  // namespace la::test
