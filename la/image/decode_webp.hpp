#pragma once

#if defined(LA_WITH_WEBP)

#include <memory>
#include <new>
#include <vector>

#include <webp/decode.h>
#include <webp/demux.h>

#include "image.hpp"
#include "image_file.hpp"
#include "to_rgb.hpp"

namespace la::inline LA_ABI::detail {

/// error: what the decoder says of a bitstream
inline void check_webp(const ImageFile& file, VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OK:
      return;
    case VP8_STATUS_OUT_OF_MEMORY:
      throw std::bad_alloc();
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      file.fail_truncated();
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      file.fail_damaged("a feature that libwebp does not know");
    default:
      file.fail_damaged("its data is not valid");
  }
}

/// The picture, or the first of an animation on its canvas.
inline Image decode_webp(const ImageFile& file) {
  const WebPData data{reinterpret_cast<const std::uint8_t*>(file.bytes.data()), file.bytes.size()};
  WebPBitstreamFeatures features;
  check_webp(file, WebPGetFeatures(data.bytes, data.size, &features));
  file.check_size(features.width, features.height);
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demuxer(WebPDemuxPartial(&data, &state),
                                                                     WebPDemuxDelete);
  if (state == WEBP_DEMUX_PARSE_ERROR) file.fail_damaged("its chunks are not valid");
  if (state != WEBP_DEMUX_DONE) file.fail_truncated();
  if (!demuxer) throw std::bad_alloc();
  WebPIterator frame;
  if (!WebPDemuxGetFrame(demuxer.get(), 1, &frame)) file.fail_damaged("it has no picture");
  const std::unique_ptr<WebPIterator, void (*)(WebPIterator*)> release(&frame, WebPDemuxReleaseIterator);

  Image image(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH),
              WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT));
  require(frame.x_offset >= 0 && frame.y_offset >= 0 && frame.width > 0 && frame.height > 0 &&
              frame.x_offset <= image.width - frame.width && frame.y_offset <= image.height - frame.height,
          file.name, ": damaged WebP: a frame that is not inside its canvas");
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) file.fail_damaged("another version of libwebp than it was built for");
  const bool has_alpha = features.has_alpha != 0;
  const std::size_t channels = has_alpha ? 4 : 3, stride = std::size_t(image.width) * channels;
  std::vector<std::uint8_t> rgba(has_alpha ? stride * std::size_t(image.height) : 0);
  std::uint8_t* canvas = has_alpha ? rgba.data() : image.pixels.data();
  const std::size_t offset = std::size_t(frame.y_offset) * stride + std::size_t(frame.x_offset) * channels;
  config.output.colorspace = has_alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {canvas + offset, int(stride),
                          (has_alpha ? rgba.size() : image.pixels.size()) - offset};
  check_webp(file, WebPDecode(frame.fragment.bytes, frame.fragment.size, &config));
  if (has_alpha) samples_to_rgb(rgba.data(), 4, image.pixels);
  return image;
}

}  // namespace la::inline LA_ABI::detail

#endif
