#include "check_values.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>

#include "../../kernels/common/float_bits.hpp"
#include "../io/json_write.hpp"
#include "../ops/ops.hpp"
#include "../weights/pack_panel.hpp"
#include "../weights/packed_file.hpp"
#include "model_weights.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// Counts as values go by.
struct NonFiniteCount {
  i64 count = 0, first = 0;

  void add(i64 element) {
    if (count++ == 0) first = element;
  }
};

/// Whether the bits of a float have an exponent of ones.
template <class Bits>
bool has_full_exponent(Bits bits, Bits exponent) noexcept {
  return (bits & exponent) == exponent;
}

/// Elements [begin, begin + bytes / sizeof(Bits)) of a tensor; the bytes may be unaligned.
template <class Bits>
void count_non_finite(std::span<const std::byte> bytes, Bits exponent, i64 begin, NonFiniteCount& found) {
  const auto at = [&](std::size_t i) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + i * sizeof(Bits), sizeof(Bits));
    return bits;
  };
  constexpr std::size_t kRun = 4096;  // first whether there is any, without a branch for each
  const std::size_t count = bytes.size() / sizeof(Bits);
  for (std::size_t block = 0; block < count; block += kRun) {
    const std::size_t end = std::min(count, block + kRun);
    bool any = false;
    for (std::size_t i = block; i < end; ++i) any |= has_full_exponent(at(i), exponent);
    for (std::size_t i = block; any && i < end; ++i)
      if (has_full_exponent(at(i), exponent)) found.add(begin + i64(i));
  }
}

inline void count_piece(DType type, std::span<const std::byte> bytes, i64 begin, NonFiniteCount& found) {
  switch (type) {
    case DType::f16:
      return count_non_finite<std::uint16_t>(bytes, 0x7c00, begin, found);
    case DType::bf16:
      return count_non_finite<std::uint16_t>(bytes, 0x7f80, begin, found);
    case DType::f32:
      return count_non_finite<std::uint32_t>(bytes, 0x7f800000, begin, found);
    case DType::f64:
      return count_non_finite<std::uint64_t>(bytes, 0x7ff0000000000000, begin, found);
    default:
      return;  // integers are finite
  }
}

/// In pieces whose file pages are given back at once.
inline NonFiniteCount count_tensor(const StoredTensor& tensor) {
  constexpr std::size_t kPiece = std::size_t{64} << 20;
  NonFiniteCount found;
  for (std::size_t at = 0; at < tensor.bytes.size(); at += kPiece) {
    const auto piece = tensor.bytes.subspan(at, std::min(kPiece, tensor.bytes.size() - at));
    count_piece(tensor.dtype, piece, i64(at / size_of(tensor.dtype)), found);
    tensor.file->release(piece);
  }
  tensor.file->require_whole();
  return found;
}

inline NonFiniteCount count_panels(const StoredPanels& stored) {
  NonFiniteCount found;
  std::vector<float> row(std::size_t(stored.inputs));
  const std::size_t panel = panel_bytes(stored.format, stored.inputs);
  for (i64 n = 0; n < stored.outputs; ++n) {
    const std::byte* from = stored.panels->bytes.data() + std::size_t(n / kernels::kPanel) * panel;
    unpack_column(stored.format, from, stored.inputs, std::size_t(n % kernels::kPanel), row.data());
    for (i64 k = 0; k < stored.inputs; ++k)
      if (!is_finite(row[std::size_t(k)])) found.add(n * stored.inputs + k);
  }
  stored.mapping->release(stored.panels->bytes);
  stored.mapping->require_whole();
  return found;
}

inline NonFiniteValues non_finite_values(const StoredTensor& tensor, std::span<const i64> shape,
                                         const NonFiniteCount& found) {
  NonFiniteValues values{tensor.file->path(), tensor.name, found.count, {}, found.first};
  i64 rest = found.first;
  for (std::size_t r = shape.size(); r-- > 0; rest /= shape[r]) values.first.push_back(rest % shape[r]);
  std::reverse(values.first.begin(), values.first.end());
  return values;
}

}  // namespace detail

LA_INLINE std::string NonFiniteValues::describe() const {
  return detail::concat(path, ": tensor ", json_quote(tensor), ": ", count,
                        count == 1 ? " value is" : " values are", " not finite, the first at ",
                        detail::describe_shape(first), ", element ", first_element);
}

LA_INLINE std::vector<NonFiniteValues> find_non_finite(const Checkpoint& checkpoint,
                                                       const ModelConfig& config) {
  std::vector<NonFiniteValues> all;
  for (const SafetensorsFile& file : checkpoint.files())
    for (const auto& [name, tensor] : file.tensors())
      if (const auto found = detail::count_tensor(tensor); found.count > 0)
        all.push_back(detail::non_finite_values(tensor, tensor.shape, found));
  for_each_weight(checkpoint, config, [&](const StoredWeight& weight) {
    for (const WeightPart& part : weight.parts) {
      if (!part.panels) continue;
      const i64 shape[] = {part.panels->outputs, part.panels->inputs};
      if (const auto found = detail::count_panels(*part.panels); found.count > 0)
        all.push_back(detail::non_finite_values(*part.panels->panels, shape, found));
    }
  });
  return all;
}

}  // namespace la::inline LA_ABI
