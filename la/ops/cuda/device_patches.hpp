#pragma once

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>
#include <memory>
#include <vector>

#include "../../../kernels/cuda/arguments.hpp"
#include "../../core/parallel.hpp"
#include "../../image/resize_taps.hpp"
#include "../ops.hpp"
#include "driver.hpp"

namespace la::inline LA_ABI::cuda {

/// The sizes that a picture passes through on a card, its own first: a pass changes one side.
inline std::vector<PixelSize> pass_sizes(PixelSize image, const std::vector<PixelSize>& steps) {
  std::vector<PixelSize> sizes{image};
  for (const PixelSize& size : steps) {
    if (size.width != sizes.back().width) sizes.push_back({size.width, sizes.back().height});
    if (size.height != sizes.back().height) sizes.push_back(size);
  }
  return sizes;
}

/// Bytes that it takes there until its patches are read.
struct ImageMemory {
  std::size_t pixels[2] = {0, 0};  ///< what a pass reads and what it writes, in turns
  std::size_t tables = 0;          ///< taps of all passes, and the normalisation

  std::size_t total() const noexcept { return pixels[0] + pixels[1] + tables; }
};

inline ImageMemory image_memory(const std::vector<PixelSize>& sizes) {
  ImageMemory memory;
  memory.tables = sizeof(detail::NormalisationTable);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    std::size_t& pixels = memory.pixels[i % 2];
    pixels = std::max(pixels, detail::pixel_bytes(sizes[i].width, sizes[i].height));
    if (i == 0) continue;
    const bool columns = sizes[i].width == sizes[i - 1].width;
    const i64 in = columns ? sizes[i - 1].height : sizes[i - 1].width,
              out = columns ? sizes[i].height : sizes[i].width;
    memory.tables += std::size_t(out) * (sizeof(kernels::cuda::TapRange) +
                                         detail::most_resize_taps(in, out) * sizeof(std::int32_t));
  }
  return memory;
}

/// Whether a card is to resize and cut a picture, rather than the host.
///
/// By bytes alone, as it has not been measured on a card. Its bytes go over the bus instead of the patches, which are 12 for each
/// pixel of the size planned: of a picture of up to four times those pixels there are fewer. Of a larger one each byte more
/// costs the time of the bus, but its resize costs a thread of the host 3 to 11 ns (EPYC, 0.9 to 144 MB), and the cut took 0.65
/// to 3.9 times that in one run: a bus of 4 GB/s outruns a dozen such threads. So above there is only a limit to the memory
/// that is taken, 64 million pixels and what their passes need. The least is a guess.
inline bool worth_on_card(const std::vector<PixelSize>& sizes) {
  constexpr std::size_t kLeast = std::size_t{32} << 10, kMost = std::size_t{384} << 20;
  return detail::pixel_bytes(sizes[0].width, sizes[0].height) >= kLeast &&
         image_memory(sizes).total() <= kMost;
}

/// A picture whose bytes went to the card, which resizes it there and cuts it into patches as they are read. The bits are the
/// host's: taps and normalisation are computed there and sent along.
class DevicePatches final : public ImagePatches {
 public:
  DevicePatches(Driver& driver, const ImageView& image, const std::vector<PixelSize>& sizes,
                const SizePlan& plan, const ProcessorConfig& config, Team* team)
      : ImagePatches(plan.grid_h, plan.grid_w),
        driver_(driver),
        patch_size_(std::int32_t(config.patch_size)) {
    const ImageMemory memory = image_memory(sizes);
    for (std::size_t i = 0; i < std::min<std::size_t>(2, sizes.size()); ++i)
      pixels_[i] = driver.allocate(memory.pixels[i]);
    tables_ = driver.allocate(memory.tables);
    send(image, team);

    std::vector<std::uint32_t> tables;
    std::vector<kernels::cuda::ResizePass> passes;
    for (std::size_t i = 1; i < sizes.size(); ++i) passes.push_back(pass(sizes, i, tables));
    table_ = reinterpret_cast<const float*>(tables_.get()) + tables.size();
    for (const auto& channel : detail::normalisation_table(config))
      for (const float x : channel) tables.push_back(std::bit_cast<std::uint32_t>(x));
    assert(tables.size() * sizeof(std::uint32_t) == memory.tables);
    driver.upload(tables.data(), tables_.get(), tables.size() * sizeof(std::uint32_t));

    for (std::size_t i = 1; i < sizes.size(); ++i) {
      const kernels::cuda::ResizePass& a = passes[i - 1];
      const bool columns = sizes[i].width == sizes[i - 1].width;
      launch(columns ? "resize_columns" : "resize_rows", a, i64(a.height) * a.blocks);
    }
    result_ = bytes_of(sizes.size() - 1);
  }

  void read(i64 first, Matrix y) const override {
    assert(y.shape[1] == 3 * patch_size_ * patch_size_);
    launch("patch_rows",
           kernels::cuda::PatchRows{result_, table_, std::int32_t(first), std::int32_t(grid_w()), patch_size_,
                                    y.data, y.stride[0]},
           y.shape[0]);
  }

 private:
  static_assert(kernels::cuda::kPixelBits == detail::kResizeBits);
  static constexpr i64 kSlice = i64{4} << 20;  // of pixels that are converted on the host at a time

  std::uint8_t* bytes_of(std::size_t pass) const noexcept {
    return reinterpret_cast<std::uint8_t*>(pixels_[pass % 2].get());
  }

  template <class Arguments>
  void launch(const char* kernel, const Arguments& a, i64 blocks) const {
    if (blocks == 0) return;
    driver_.launch({kernel, unsigned(blocks), 1, unsigned(kernels::cuda::kThreads), 0, true}, &a, sizeof a);
  }

  /// RGB without gaps between the rows goes as it is.
  void send(const ImageView& image, Team* team) {
    const i64 row = 3 * image.width;
    if (image.format == PixelFormat::rgb && image.stride == row)
      return driver_.upload(image.data, bytes_of(0), std::size_t(row * image.height));
    const i64 rows = std::clamp<i64>(kSlice / row, 1, image.height);
    std::vector<std::uint8_t> slice(std::size_t(rows * row));
    for (i64 first = 0; first < image.height; first += rows) {
      const i64 count = std::min(rows, image.height - first);
      parallel_for(count, team, [&](i64 begin, i64 end, int) {
        for (i64 y = begin; y < end; ++y) {
          std::uint8_t* out = slice.data() + y * row;
          const std::uint8_t* pixels = detail::rgb_pixels(image, first + y, 0, image.width, out);
          if (pixels != out) std::copy_n(pixels, row, out);
        }
      });
      driver_.upload(slice.data(), bytes_of(0) + first * row, std::size_t(count * row));
    }
  }

  /// The pass to sizes[i]; its taps go behind the tables that are there.
  kernels::cuda::ResizePass pass(const std::vector<PixelSize>& sizes, std::size_t i,
                                 std::vector<std::uint32_t>& tables) const {
    const PixelSize &from = sizes[i - 1], &to = sizes[i];
    const bool columns = from.width == to.width;
    const i64 in = columns ? from.height : from.width, out = columns ? to.height : to.width;
    const detail::ResizeTaps taps = detail::resize_taps(in, out);
    const auto at = [&] { return reinterpret_cast<const std::uint32_t*>(tables_.get()) + tables.size(); };
    kernels::cuda::ResizePass a;
    a.x = bytes_of(i - 1);
    a.y = bytes_of(i);
    a.ranges = reinterpret_cast<const kernels::cuda::TapRange*>(at());
    for (const auto& [first, count] : taps.ranges) {
      tables.push_back(std::uint32_t(first));
      tables.push_back(std::uint32_t(count));
    }
    a.weights = reinterpret_cast<const std::int32_t*>(at());
    for (std::size_t tap = 0; tap < taps.stride; ++tap)
      for (i64 o = 0; o < out; ++o) tables.push_back(std::uint32_t(taps.weights_of(o)[tap]));
    a.inputs = std::int32_t(in);
    a.width = std::int32_t(to.width);
    a.height = std::int32_t(to.height);
    const i64 threads = columns ? 3 * to.width : to.width;
    a.blocks = std::int32_t((threads + kernels::cuda::kThreads - 1) / kernels::cuda::kThreads);
    return a;
  }

  Driver& driver_;
  std::int32_t patch_size_;
  std::shared_ptr<std::byte> pixels_[2], tables_;
  const std::uint8_t* result_ = nullptr;
  const float* table_ = nullptr;
};

}  // namespace la::inline LA_ABI::cuda
