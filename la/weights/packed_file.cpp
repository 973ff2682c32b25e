#include "packed_file.hpp"

#include <cstdint>

#include "../core/error.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline std::string metadata_or_nothing(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? "nothing" : found->second;
}

}  // namespace detail

LA_INLINE std::optional<StoredPanels> find_panels(const Checkpoint& checkpoint, const std::string& name,
                                                  i64 outputs, i64 inputs) {
  const StoredTensor* tensor = checkpoint.find(name + ".panels");
  if (!tensor) return std::nullopt;
  const SafetensorsFile& file = checkpoint.file_of(*tensor);
  const std::string label = tensor->file->path() + ": tensor " + tensor->name;
  const std::string version = detail::metadata_or_nothing(file, kPackedVersionKey);
  require(version == kPackedVersion, label, ": expected a packed file of version ", kPackedVersion,
          ", found ", version);
  const std::string what = detail::metadata_or_nothing(file, name);
  for (PanelFormat format :
       {PanelFormat::f32, PanelFormat::bf16, PanelFormat::q8, PanelFormat::q4_g128, PanelFormat::q4_g32}) {
    if (what != detail::describe_panels(format, outputs, inputs)) continue;
    const std::size_t bytes = detail::padded_panels(format, outputs, inputs);
    require(tensor->dtype == DType::u8 && tensor->bytes.size() == bytes, label, ": expected U8 [", bytes,
            "] for ", what, ", found ", tensor->describe());
    require(reinterpret_cast<std::uintptr_t>(tensor->bytes.data()) % kAlignment == 0, label,
            ": expected data aligned to ", kAlignment, " bytes, found it ",
            reinterpret_cast<std::uintptr_t>(tensor->bytes.data()) % kAlignment, " past such an address");
    return StoredPanels{format, outputs, inputs, tensor, file.mapping()};
  }
  fail(label, ": expected a format with ", outputs, " outputs and ", inputs,
       " inputs in the metadata, found ", what);
}

}  // namespace la::inline LA_ABI
