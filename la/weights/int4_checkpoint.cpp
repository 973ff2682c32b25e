#include "int4_checkpoint.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../core/error.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline std::string int4_label(const StoredTensor& t) {
  return t.file->path() + ": tensor " + t.name;
}

inline const StoredTensor& int4_tensor(const Checkpoint& checkpoint, const std::string& name, DType type,
                                       std::initializer_list<i64> shape) {
  const StoredTensor& t = checkpoint.get(name, shape);
  require(t.dtype == type, int4_label(t), ": expected ", name_of(type), ", found ", t.describe());
  return t;
}

/// What the config must say of integers that are here.
inline void check_int4_config(const StoredTensor& t, const QuantizationConfig& config) {
  require(config.bits == 4, int4_label(t), ": expected 4 bits, found bits ", config.bits, " in the config");
  const std::string_view method = config.quant_method, format = config.packing_format;
  require(method.empty() || method == "gptq" || method == "awq" || method == "auto-round" ||
              method == "auto_round",
          int4_label(t), ": expected quant_method gptq, awq or auto-round, found '", method, "'");
  for (std::string_view known :
       {"", "gptq", "gptq_v2", "auto_round", "auto_round:auto_gptq", "auto_round:gptq",
        "auto_round:gptqmodel", "auto_round:auto_awq", "auto_round:awq", "gemm"})
    if (format == known) return;
  fail(int4_label(t), ": expected a packing_format of GPTQ or AWQ, found '", format, "'");
}

inline i64 int4_group(const Checkpoint& checkpoint, const StoredTensor& qweight,
                      const std::optional<QuantizationConfig>& config, const std::string& name, i64 inputs) {
  const StoredTensor* scales = checkpoint.find(name + ".scales");
  require(scales, int4_label(qweight), ": expected ", name, ".scales beside it, found none");
  if (config) {
    const i64 group = config->group_size == -1 ? inputs : config->group_size;
    require(group > 0 && inputs % group == 0, int4_label(qweight),
            ": expected a group_size that divides its ", inputs, " inputs, found ", config->group_size);
    return group;
  }
  const i64 groups = scales->shape.empty() ? 0 : scales->shape[0];
  require(groups > 0 && inputs % groups == 0, int4_label(*scales),
          ": expected a number of groups that divides ", inputs, " inputs, found ", scales->describe());
  return inputs / groups;
}

inline bool all_words(const StoredTensor& t, std::uint32_t word) {
  for (std::size_t at = 0; at < t.bytes.size(); at += sizeof word)
    if (std::memcmp(t.bytes.data() + at, &word, sizeof word) != 0) return false;
  return true;
}

/// Whether GPTQ zeros have to be raised by one.
inline bool zeros_are_minus_one(const StoredTensor& qzeros, const std::optional<QuantizationConfig>& config) {
  const std::string_view format = config ? std::string_view(config->packing_format) : "";
  if (format == "gptq_v2" || format == "auto_round" || format == "auto_round:gptqmodel") return false;
  if (!format.empty() || (config && config->quant_method == "gptq")) return true;
  return !all_words(qzeros, 0x88888888u);
}

/// Null when the inputs are in order, group after group.
inline const StoredTensor* int4_order(const Checkpoint& checkpoint, const std::string& name, i64 inputs,
                                      i64 group) {
  if (!checkpoint.find(name + ".g_idx")) return nullptr;
  const StoredTensor* t = &int4_tensor(checkpoint, name + ".g_idx", DType::i32, {inputs});
  bool in_order = true;
  for (i64 k = 0; k < inputs; ++k) {
    std::int32_t g;
    std::memcpy(&g, t->bytes.data() + std::size_t(k) * sizeof g, sizeof g);
    require(g >= 0 && g < inputs / group, int4_label(*t), ": expected groups below ", inputs / group,
            ", found ", g);
    in_order = in_order && g == k / group;
  }
  return in_order ? nullptr : t;
}

}  // namespace detail

LA_INLINE std::optional<StoredInt4> find_int4(const Checkpoint& checkpoint,
                                              const std::optional<QuantizationConfig>& config,
                                              const std::string& name, i64 outputs, i64 inputs) {
  const StoredTensor* qweight = checkpoint.find(name + ".qweight");
  if (!qweight) return std::nullopt;
  const std::string label = detail::int4_label(*qweight);
  if (config) detail::check_int4_config(*qweight, *config);
  require(qweight->dtype == DType::i32, label, ": expected I32, found ", qweight->describe());
  require(outputs % 8 == 0, label, ": expected a multiple of 8 outputs, as zeros are packed by eight, found ",
          outputs);

  StoredInt4 w;
  w.outputs = w.stored_outputs = outputs;
  w.inputs = inputs;
  w.qweight = qweight;
  const std::vector<i64> awq{inputs, outputs / 8}, gptq{inputs / 8, outputs};
  require(qweight->shape == awq || (qweight->shape == gptq && inputs % 8 == 0), label, ": expected [",
          inputs / 8, ", ", outputs, "] (GPTQ) or [", inputs, ", ", outputs / 8, "] (AWQ), found ",
          qweight->describe());
  w.layout = qweight->shape == awq ? StoredInt4::Layout::awq : StoredInt4::Layout::gptq;
  w.group = detail::int4_group(checkpoint, *qweight, config, name, inputs);
  const i64 groups = inputs / w.group;
  w.qzeros = &detail::int4_tensor(checkpoint, name + ".qzeros", DType::i32, {groups, outputs / 8});
  w.scales = &detail::int4_tensor(checkpoint, name + ".scales", DType::f16, {groups, outputs});
  w.g_idx = detail::int4_order(checkpoint, name, inputs, w.group);
  w.zeros_minus_one = w.layout == StoredInt4::Layout::gptq && detail::zeros_are_minus_one(*w.qzeros, config);
  return w;
}

}  // namespace la::inline LA_ABI
