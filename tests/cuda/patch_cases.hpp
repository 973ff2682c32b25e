#pragma once

#include <cstring>
#include <vector>

#include "../../la/ops/cuda/device_patches.hpp"
#include "../ops/all_ops.hpp"

// Pictures that a card resizes and cuts, beside the host's.
namespace la::test {

struct PatchCase {
  i64 width = 1, height = 1;
  PixelSize shrunk{};  ///< none: its own size
  i64 limit = 4096, patch = 14;
};

/// Up and down, one side alone or both, by much and by a pixel, in up to three steps; sides of one pixel; none at all.
inline const std::vector<PatchCase> kPatchCases{
    {1, 1},
    {1, 37},
    {53, 1},
    {28, 56},
    {29, 56},
    {28, 55},
    {57, 29},
    {27, 83},
    {300, 9, {131, 4}},
    {7, 311, {3, 132}},
    {161, 131, {150, 122}, 40},
    {141, 93, {}, 12},
    {93, 141, {46, 70}, 4, 7},
    {260, 130, {}, 2},
};

/// Patches of the view as the card makes them, whatever it is worth there, in one piece or in several.
inline std::vector<float> patches_of_card(cuda::Driver& driver, const ImageView& view, const PatchCase& c,
                                          i64 piece = 1 << 20) {
  ProcessorConfig config;
  config.in_token_limit = c.limit;
  config.patch_size = c.patch;
  config.mean = {0.4f, 0.5f, 0.6f};
  config.std = {0.21f, 0.5f, 0.3f};
  const PixelSize whole{view.width, view.height}, shrunk = c.shrunk.width > 0 ? c.shrunk : whole;
  const SizePlan plan = plan_size(shrunk.width, shrunk.height, config);
  const Patches want = preprocess(view, shrunk, config);
  const cuda::DevicePatches patches(driver, view, cuda::pass_sizes(whole, resize_steps(whole, shrunk, plan)),
                                    plan, config, nullptr);
  CHECK(patches.grid_h() == want.grid_h);
  CHECK(patches.grid_w() == want.grid_w);
  const i64 count = want.grid_h * want.grid_w, values = 3 * c.patch * c.patch;
  std::vector<float> got(want.values.size());
  for (i64 first = 0; first < count; first += piece) {
    const i64 rows = std::min(piece, count - first);
    const std::size_t bytes = std::size_t(rows * values) * sizeof(float);
    const auto memory = driver.allocate(bytes);  // which ends where they end
    patches.read(first, Matrix(reinterpret_cast<float*>(memory.get()), {rows, values}));
    driver.download(memory.get(), got.data() + first * values, bytes);
  }
  CHECK(std::memcmp(got.data(), want.values.data(), got.size() * sizeof(float)) == 0);
  return got;
}

}  // namespace la::test
