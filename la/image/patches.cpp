#include "patches.hpp"

#include <cmath>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "../core/storage.hpp"

namespace la::inline LA_ABI {
namespace detail {

inline constexpr i64 kPatchesPerSide = 512;  // a side must have fewer

/// table[c][x] = (x / 255 - mean[c]) / std[c]
LA_INLINE NormalisationTable normalisation_table(const ProcessorConfig& config) {
  NormalisationTable table;
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t x = 0; x < 256; ++x) table[c][x] = (float(x) / 255.0f - config.mean[c]) / config.std[c];
  return table;
}

/// One row of pixels of one patch; out: that row of its first channel, whose others follow `size` * `size` apart.
inline void copy_patch_row(const std::uint8_t* rgb, i64 size, const NormalisationTable& table,
                           float* out) noexcept {
  for (std::size_t c = 0; c < 3; ++c, out += size * size)
    for (i64 x = 0; x < size; ++x) out[x] = table[c][rgb[3 * x + i64(c)]];
}

inline Patches cut_into_patches(const ImageView& image, const SizePlan& plan, const ProcessorConfig& config,
                                Team* team) {
  const auto table = normalisation_table(config);
  const i64 size = config.patch_size, patch_values = 3 * size * size;
  Patches patches{plan.grid_h, plan.grid_w, {}};
  patches.values.resize(std::size_t(plan.grid_h * plan.grid_w * patch_values));
  parallel_for(plan.grid_h, team, [&](i64 begin, i64 end, int) {
    std::vector<std::uint8_t> scratch(std::size_t(3 * image.width));
    for (i64 y = begin * size; y < end * size; ++y) {
      const std::uint8_t* rgb = rgb_pixels(image, y, 0, image.width, scratch.data());
      float* out = patches.values.data() + y / size * plan.grid_w * patch_values + y % size * size;
      for (i64 column = 0; column < plan.grid_w; ++column)
        copy_patch_row(rgb + 3 * column * size, size, table, out + column * patch_values);
    }
  });
  return patches;
}

}  // namespace detail

LA_INLINE SizePlan plan_size(i64 width, i64 height, const ProcessorConfig& config) {
  const i64 patch = config.patch_size, limit = config.in_token_limit;
  require(width > 0 && height > 0, "picture: expected at least one pixel, found ", width, "x", height);
  require(patch > 0 && config.merge > 0 && limit > 0,
          "image processor: expected a positive patch_size, merge_kernel_size and in_token_limit, found ",
          patch, ", ", config.merge, " and ", limit);
  SizePlan plan{width, height, 0, 0, 0, 0};
  if (const i64 tokens = (width / patch) * (height / patch); tokens > limit) {
    const double scale = std::sqrt(double(limit) / double(tokens));
    plan.limited_width = i64(double(width) * scale);
    plan.limited_height = i64(double(height) * scale);
    require(plan.limited_width > 0 && plan.limited_height > 0, "picture of ", width, "x", height,
            " pixels: a side vanishes when it is scaled to in_token_limit ", limit);
  }
  const std::size_t multiple = std::size_t(config.merge * patch);
  plan.width = i64(round_up(std::size_t(plan.limited_width), multiple));
  plan.height = i64(round_up(std::size_t(plan.limited_height), multiple));
  plan.grid_w = plan.width / patch;
  plan.grid_h = plan.height / patch;
  require(plan.grid_w < detail::kPatchesPerSide && plan.grid_h < detail::kPatchesPerSide, "picture of ",
          width, "x", height, " pixels: expected fewer than ", detail::kPatchesPerSide,
          " patches a side, found ", plan.grid_w, "x", plan.grid_h);
  return plan;
}

LA_INLINE std::vector<PixelSize> resize_steps(PixelSize image, PixelSize shrunk, const SizePlan& plan) {
  std::vector<PixelSize> steps;
  for (const PixelSize& size :
       {shrunk, PixelSize{plan.limited_width, plan.limited_height}, PixelSize{plan.width, plan.height}})
    if (size != (steps.empty() ? image : steps.back())) steps.push_back(size);
  return steps;
}

LA_INLINE Patches preprocess(const ImageView& image, const ProcessorConfig& config, Team* team) {
  return preprocess(image, {image.width, image.height}, config, team);
}

LA_INLINE Patches preprocess(const ImageView& image, PixelSize shrunk, const ProcessorConfig& config,
                             Team* team) {
  require_pixels(image, "picture");
  const SizePlan plan = plan_size(shrunk.width, shrunk.height, config);
  Image resized;
  return detail::cut_into_patches(
      resize_in_steps(image, resize_steps({image.width, image.height}, shrunk, plan), team, resized), plan,
      config, team);
}

}  // namespace la::inline LA_ABI
