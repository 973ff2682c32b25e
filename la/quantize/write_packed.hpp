#pragma once

#include <set>
#include <string>
#include <vector>

#include "../io/safetensors_writer.hpp"
#include "../weights/packed_file.hpp"
#include "plan.hpp"
#include "staging.hpp"

// The packed file, see find_panels.hpp.
namespace la::inline LA_ABI::detail {

/// Bytes, then zeros up to the size that the tensor has.
inline TensorSource padded_source(std::string name, std::span<const std::byte> bytes, std::size_t size) {
  return {std::move(name), DType::u8, {i64(size)}, [bytes, size](const TensorSource::Sink& sink) {
            sink(bytes);
            const std::vector<std::byte> zeros(size - bytes.size());
            if (!zeros.empty()) sink(zeros);
          }};
}

inline TensorSource bias_source(const std::string& name, const std::vector<float>& bias) {
  return {name + ".bias", DType::f32, {i64(bias.size())}, [&bias](const TensorSource::Sink& sink) {
            sink(std::as_bytes(std::span(bias)));
          }};
}

/// "a.weight" -> "a.bias"
inline std::string bias_of(const std::string& weight) {
  return weight.substr(0, weight.rfind('.')) + ".bias";
}

/// Panels first, so that all of them stay aligned; then biases, then what is no linear weight, as it is.
inline void write_packed(const std::string& path, const Checkpoint& checkpoint,
                         const std::vector<PlannedWeight>& plan, const std::vector<StagedWeight>& staged) {
  std::map<std::string, std::string> metadata{{kPackedVersionKey, kPackedVersion}};
  std::vector<TensorSource> tensors;
  std::set<std::string> replaced{"language_model.lm_head.weight"};  // a tied one is not needed
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const PlannedWeight& w = plan[i];
    metadata[w.name] = describe_panels(w.format, w.outputs, w.inputs);
    tensors.push_back(padded_source(w.name + ".panels", staged[i].file.find("panels")->bytes,
                                    padded_panels(w.format, w.outputs, w.inputs)));
    for (const PlannedRows& rows : w.rows) {
      replaced.insert(rows.tensor);
      if (!w.bias.empty()) replaced.insert(bias_of(rows.tensor));
    }
  }
  for (const PlannedWeight& w : plan)
    if (!w.bias.empty()) tensors.push_back(bias_source(w.name, w.bias));
  for (const SafetensorsFile& file : checkpoint.files())
    for (const auto& [name, tensor] : file.tensors())
      if (!replaced.contains(name)) tensors.push_back(copy_of(tensor));
  write_safetensors(path, metadata, tensors);
}

}  // namespace la::inline LA_ABI::detail
