#pragma once

#include <string>

#include "answer_reader.hpp"

namespace la::cli {

inline std::string xml_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return out;
}

/// "CVAT for images 1.1": boxes and points, of labels that the task is to have.
/// error: it cannot be written
inline void write_cvat(const std::string& answers, const std::string& path) {
  const std::vector<AnsweredImage> images = answered_images(answers);
  TextFile file(path);
  file << "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n  <version>1.1</version>\n  "
          "<meta><task><size>"
       << std::to_string(images.size()) << "</size><mode>annotation</mode><labels>\n";
  for (const std::string& label : labels_of(images))
    file << "    <label><name>" << xml_text(label) << "</name><attributes></attributes></label>\n";
  file << "  </labels></task></meta>\n";
  i64 number = 0;
  for (const AnsweredImage& image : images) {
    file << "  <image id=\"" << std::to_string(number++) << "\" name=\"" << xml_text(image.image)
         << "\" width=\"" << std::to_string(image.width) << "\" height=\"" << std::to_string(image.height)
         << "\">\n";
    for (const AnsweredItem& item : image.items) {
      const std::string label = "label=\"" + xml_text(item.label) + "\" source=\"auto\" occluded=\"0\" ";
      const auto at = clamped(item, image);
      if (item.is_box)
        file << "    <box " << label << "xtl=\"" << decimal(at[0], 2) << "\" ytl=\"" << decimal(at[1], 2)
             << "\" xbr=\"" << decimal(at[2], 2) << "\" ybr=\"" << decimal(at[3], 2)
             << "\" z_order=\"0\"></box>\n";
      else
        file << "    <points " << label << "points=\"" << decimal(at[0], 2) << "," << decimal(at[1], 2)
             << "\" z_order=\"0\"></points>\n";
    }
    file << "  </image>\n";
  }
  file << "</annotations>\n";
  file.finish();
}

}  // namespace la::cli
