#pragma once

#include <array>
#include <vector>

#include "../core/inline.hpp"
#include "../core/team.hpp"
#include "image_view.hpp"
#include "resize.hpp"

namespace la::inline LA_ABI {

/// The settings of a checkpoint's preprocessor_config.json, with the values that absent keys stand for.
struct ProcessorConfig {
  i64 in_token_limit = 4096;
  i64 patch_size = 14;
  i64 merge = 2;  ///< patches a side that become one image token
  std::array<float, 3> mean{0.5f, 0.5f, 0.5f};
  std::array<float, 3> std{0.5f, 0.5f, 0.5f};
};

/// The sizes a picture passes through on its way to patches.
struct SizePlan {
  i64 limited_width = 0, limited_height = 0;  ///< after the token limit
  i64 width = 0, height = 0;                  ///< then rounded up to whole merged patches
  i64 grid_h = 0, grid_w = 0;                 ///< in patches
};

/// With p the patch size: if (w/p)*(h/p) (whole divisions) exceeds the token limit, both sides shrink by
/// sqrt(limit / that), truncated; then each is rounded up to a multiple of merge * p. Rounding to the nearest
/// multiple instead is a known cause of repeated boxes. The result may exceed the limit slightly.
/// error: an empty picture, a side that becomes 0, a side of 512 patches or more
SizePlan plan_size(i64 width, i64 height, const ProcessorConfig& config);

/// The sizes that a picture is resized to, one after the other: `shrunk`, and then what is planned for a picture of that size.
/// A size that it has already is none.
std::vector<PixelSize> resize_steps(PixelSize image, PixelSize shrunk, const SizePlan& plan);

/// What the vision model reads.
struct Patches {
  i64 grid_h = 0, grid_w = 0;
  std::vector<float> values;  ///< [grid_h * grid_w, 3, patch, patch], patches row-major over the grid
};

/// Resizes as planned, then (x / 255 - mean) / std in f32.
/// error: as plan_size; see require_pixels
Patches preprocess(const ImageView& image, const ProcessorConfig& config, Team* team = nullptr);
/// The same of the picture in the size `shrunk`.
Patches preprocess(const ImageView& image, PixelSize shrunk, const ProcessorConfig& config,
                   Team* team = nullptr);

namespace detail {

/// [c][x]: what byte x of channel c becomes
using NormalisationTable = std::array<std::array<float, 256>, 3>;
NormalisationTable normalisation_table(const ProcessorConfig& config);

}  // namespace detail

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "patches.cpp"
#endif
