#include "packed_weight.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "../core/parallel.hpp"
#include "../core/scalar.hpp"
#include "stacked.hpp"

namespace la {
namespace detail {

/// Writes `count` inputs of one row into column j of a panel.
template <class In, class Out, class Convert>
void pack_row(const std::byte* row, i64 count, Out* column, Convert convert) {
  for (i64 i = 0; i < count; ++i) {
    In x;
    std::memcpy(&x, row + std::size_t(i) * sizeof(In), sizeof(In));  // may be unaligned
    column[i * kernels::kPanel] = convert(x);
  }
}

inline void pack_row(DType dtype, const std::byte* row, i64 count, float* column) {
  const auto widen = [](auto x) { return to_float(x); };
  switch (dtype) {
    case DType::bf16: return pack_row<bf16>(row, count, column, widen);
    case DType::f16: return pack_row<f16>(row, count, column, widen);
    default: return pack_row<float>(row, count, column, widen);
  }
}

inline void pack_row(DType dtype, const std::byte* row, i64 count, std::uint16_t* column) {
  switch (dtype) {
    case DType::bf16: return pack_row<std::uint16_t>(row, count, column, [](std::uint16_t x) { return x; });
    case DType::f16: return pack_row<f16>(row, count, column, [](f16 x) { return to_bf16(to_float(x)).bits; });
    default: return pack_row<float>(row, count, column, [](float x) { return to_bf16(x).bits; });
  }
}

/// One row of the stack.
struct SourceRow {
  const std::byte* data;
  DType dtype;
};

inline std::vector<SourceRow> source_rows(std::span<const WeightPart> parts, i64 inputs) {
  std::vector<SourceRow> rows;
  for (const WeightPart& part : parts) {
    const StoredTensor& w = *part.weight;
    for (i64 n = 0; n < w.shape[0]; ++n)
      rows.push_back({w.bytes.data() + std::size_t(n * inputs) * size_of(w.dtype), w.dtype});
  }
  return rows;
}

/// Packs panels [begin, end), in chunks of inputs that stay in the first-level cache.
template <class Out>
void pack_panels(std::span<const SourceRow> rows, i64 begin, i64 end, i64 k, Out* panels) {
  constexpr i64 chunk = 256;
  for (i64 p = begin; p < end; ++p)
    for (i64 k0 = 0; k0 < k; k0 += chunk)
      for (i64 j = 0; j < kernels::kPanel; ++j) {
        const i64 n = p * kernels::kPanel + j, count = std::min(chunk, k - k0);
        Out* column = panels + (p * k + k0) * kernels::kPanel + j;
        if (n < i64(rows.size())) {
          const SourceRow& row = rows[std::size_t(n)];
          pack_row(row.dtype, row.data + std::size_t(k0) * size_of(row.dtype), count, column);
        } else {
          for (i64 i = 0; i < count; ++i) column[i * kernels::kPanel] = Out{};
        }
      }
}

/// The type all parts share; f32 when they differ, since it holds every other one exactly.
inline DType common_dtype(std::span<const WeightPart> parts) {
  for (const WeightPart& part : parts) {
    const StoredTensor& w = *part.weight;
    require(w.dtype == DType::f32 || w.dtype == DType::f16 || w.dtype == DType::bf16, w.file->path(), ": tensor ",
            w.name, ": expected F32, F16 or BF16, found ", w.describe());
  }
  for (const WeightPart& part : parts)
    if (part.weight->dtype != parts[0].weight->dtype) return DType::f32;
  return parts[0].weight->dtype;
}

}  // namespace detail

LA_INLINE PackedWeight::PackedWeight(Format format, i64 outputs, i64 inputs)
    : Weight(outputs, inputs), format_(format) {
  panels_ = Storage(round_up(std::size_t(outputs), kernels::kPanel) * std::size_t(inputs) * element_size());
}

LA_INLINE std::unique_ptr<PackedWeight> PackedWeight::pack(std::span<const WeightPart> parts, Weights format,
                                                           int threads) {
  const detail::Stacked stacked(parts);
  const DType dtype = detail::common_dtype(parts);
  const bool half = format == Weights::bf16 || (format == Weights::auto_ && dtype == DType::bf16);
  auto packed =
      std::make_unique<PackedWeight>(half ? Format::bf16 : Format::f32, stacked.outputs, stacked.inputs);
  const std::vector<float> bias = stacked.bias(parts);
  packed->bias_ = Storage(bias.size() * sizeof(float));
  if (!bias.empty()) std::memcpy(packed->bias_.data(), bias.data(), bias.size() * sizeof(float));

  const std::vector<detail::SourceRow> rows = detail::source_rows(parts, stacked.inputs);
  const i64 panels = (stacked.outputs + kernels::kPanel - 1) / kernels::kPanel;
  parallel_for(panels, threads, [&](i64 begin, i64 end, int) {
    if (half)
      detail::pack_panels(rows, begin, end, stacked.inputs, packed->panels_.as<std::uint16_t>());
    else
      detail::pack_panels(rows, begin, end, stacked.inputs, packed->panels_.as<float>());
  });
  for (const WeightPart& part : parts) part.weight->file->release(part.weight->bytes);
  return packed;
}

LA_INLINE void PackedWeight::row(i64 n, float* out) const noexcept {
  const i64 column = n % kernels::kPanel;
  const std::byte* panel = panels(n - column);
  for (i64 k = 0; k < inputs(); ++k) {
    const i64 at = k * kernels::kPanel + column;
    out[k] = format_ == Format::bf16 ? to_float(bf16{reinterpret_cast<const std::uint16_t*>(panel)[at]})
                                     : reinterpret_cast<const float*>(panel)[at];
  }
}

}  // namespace la
