#pragma once

#include <string>
#include <utility>

#include "answer_reader.hpp"

namespace la::cli {

namespace detail {

/// One region: coordinates are percent of the picture's sides.
inline std::string labelstudio_region(const AnsweredImage& image, const AnsweredItem& item,
                                      std::size_t number) {
  const auto percent = [](double value, i64 side) {
    return decimal(100 * value / double(std::max<i64>(side, 1)), 4);
  };
  const auto at = clamped(item, image);
  const char* const kind = item.is_box ? "rectanglelabels" : "keypointlabels";
  std::string value = "{\"x\":" + percent(at[0], image.width) + ",\"y\":" + percent(at[1], image.height);
  if (item.is_box)
    value += ",\"width\":" + percent(at[2] - at[0], image.width) +
             ",\"height\":" + percent(at[3] - at[1], image.height) + ",\"rotation\":0";
  else
    value += ",\"width\":0.5";
  value += ",\"" + std::string(kind) + "\":[" + json_quote(item.label) + "]}";
  return "{\"id\":\"r" + std::to_string(number) + "\",\"type\":\"" + kind + "\",\"from_name\":\"" +
         (item.is_box ? "box" : "point") +
         "\",\"to_name\":\"image\",\"original_width\":" + std::to_string(image.width) +
         ",\"original_height\":" + std::to_string(image.height) +
         ",\"image_rotation\":0,\"score\":" + json_number(float(item.score)) + ",\"value\":" + value + "}";
}

}  // namespace detail

/// Label Studio tasks with predictions. The labeling interface they fit has `<Image name="image" value="$image"/>`,
/// `<RectangleLabels name="box" toName="image">` and `<KeyPointLabels name="point" toName="image">`.
/// error: it cannot be written
inline void write_labelstudio(const std::string& answers, const std::string& path) {
  TextFile file(path);
  const char* separator = "[\n";
  for (const AnsweredImage& image : answered_images(answers)) {
    std::string regions;
    double least = 1;
    for (const AnsweredItem& item : image.items) {
      if (!regions.empty()) regions += ",";
      regions += detail::labelstudio_region(image, item, std::size_t(&item - image.items.data()));
      least = std::min(least, item.score);
    }
    file << std::exchange(separator, ",\n") << "{\"data\":{\"image\":" << json_quote(image.image)
         << "},\"predictions\":[{\"model_version\":" << json_quote(image.model)
         << ",\"score\":" << json_number(float(image.items.empty() ? 0 : least)) << ",\"result\":[" << regions
         << "]}]}";
  }
  file << (*separator == '[' ? "[]\n" : "\n]\n");
  file.finish();
}

}  // namespace la::cli
