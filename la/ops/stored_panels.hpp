#pragma once

#include <memory>

#include "../io/safetensors.hpp"
#include "panel_format.hpp"

namespace la {

/// Panels in kernel order that lie in a mapped file, see PackedFile. Made, and checked, by find_panels.
struct StoredPanels {
  PanelFormat format = PanelFormat::f32;
  i64 outputs = 0, inputs = 0;
  const StoredTensor* panels = nullptr;            ///< U8, 64-byte aligned
  std::shared_ptr<const MappedFile> mapping = {};  ///< keeps them in memory
};

}  // namespace la
