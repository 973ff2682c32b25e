#pragma once

#include <span>

#include "../core/inline.hpp"
#include "../core/team.hpp"
#include "image_view.hpp"

namespace la::inline LA_ABI {

/// PIL's `Image.resize((width, height), BICUBIC)`, bit for bit: Catmull-Rom (a = -0.5) whose support grows
/// with the downscale factor, first along rows, then along columns, rounded to 8 bits in between. A side that
/// does not change has no pass. A view is read where it lies.
///
/// error: (usage) an empty target; see require_pixels
/// source: Pillow, src/libImaging/Resample.c
Image resize_bicubic(const ImageView& image, i64 width, i64 height, Team* team = nullptr);

struct PixelSize {
  i64 width = 0, height = 0;

  bool operator==(const PixelSize&) const = default;
};

/// If the longer side m exceeds `max_side`, (w, h) * max_side / m, rounded half to even, at least 1 each; otherwise as
/// they are. error: max_side < 1
PixelSize limited_size(i64 width, i64 height, i64 max_side);

/// The picture after a bicubic pass to each of the sizes, which is `resized` or, where there are none, itself.
/// error: see resize_bicubic
ImageView resize_in_steps(const ImageView& image, std::span<const PixelSize> steps, Team* team,
                          Image& resized);

/// The picture in that size, by one bicubic pass if that is another.    error: see require_pixels, limited_size
Image limit_side(const ImageView& image, i64 max_side, Team* team = nullptr);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "resize.cpp"
#endif
