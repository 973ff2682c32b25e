#pragma once

#include <filesystem>
#include <iostream>
#include <map>
#include <string>

#include "../../cli/digest.hpp"
#include "../../cli/image_address.hpp"
#include "answer_reader.hpp"

namespace la::cli {

namespace detail {

/// A name for each picture's files: its own without the extension, with a digest of the path where two have the same.
inline std::map<std::string, std::string> yolo_names(const std::vector<AnsweredImage>& images) {
  std::map<std::string, int> stems;
  const auto stem = [](const std::string& image) {
    std::string name = is_data_uri(image) ? "data" : std::filesystem::path(image).stem().string();
    for (char& c : name)
      if (static_cast<unsigned char>(c) < 0x20) c = '_';
    return name;
  };
  for (const AnsweredImage& image : images) ++stems[stem(image.image)];
  std::map<std::string, std::string> names;
  for (const AnsweredImage& image : images) {
    const std::string own = stem(image.image);
    names[image.image] = stems[own] == 1 ? own : own + "-" + hex(digest_of(image.image));
  }
  return names;
}

}  // namespace detail

/// A YOLO data set: `data.yaml`, `labels/NAME.txt` with a row `class x y width height` a box, centre and sides as shares
/// of the picture, and `images/NAME.EXT`, links to the pictures that are files. Classes are numbered from 0 by name.
/// `relative`: where relative paths are looked for first
/// error: a file cannot be written
inline void write_yolo(const std::string& answers, const std::string& folder,
                       const std::filesystem::path& relative) {
  namespace fs = std::filesystem;
  const std::vector<AnsweredImage> images = answered_images(answers);
  const std::vector<std::string> labels = labels_of(images);
  const auto names = detail::yolo_names(images);
  std::error_code failure;
  fs::create_directories(folder + "/labels", failure);
  fs::create_directories(folder + "/images", failure);
  i64 points = 0, unlinked = 0;
  for (const AnsweredImage& image : images) {
    const std::string& name = names.at(image.image);
    TextFile rows(folder + "/labels/" + name + ".txt");
    for (const AnsweredItem& item : image.items) {
      points += !item.is_box;
      if (!item.is_box || image.width < 1 || image.height < 1) continue;
      const auto [x1, y1, x2, y2] = clamped(item, image);
      const auto place = std::lower_bound(labels.begin(), labels.end(), item.label) - labels.begin();
      rows << std::to_string(place) << " " << decimal((x1 + x2) / 2 / double(image.width), 6) << " "
           << decimal((y1 + y2) / 2 / double(image.height), 6) << " "
           << decimal((x2 - x1) / double(image.width), 6) << " "
           << decimal((y2 - y1) / double(image.height), 6) << "\n";
    }
    rows.finish();
    std::string file;
    if (!is_data_uri(image.image)) file = image_path(image.image, relative);
    if (!fs::is_regular_file(file, failure)) {
      ++unlinked;
      continue;
    }
    const fs::path link = fs::path(folder) / "images" / (name + fs::path(file).extension().string());
    if (fs::is_symlink(link, failure)) fs::remove(link, failure);
    fs::create_symlink(fs::absolute(file), link, failure);
    require(!failure, link.string(), ": cannot be made: ", failure.message());
  }
  TextFile data(folder + "/data.yaml");
  data << "path: " << json_quote(fs::absolute(folder).lexically_normal().string())
       << "\ntrain: images\nval: images\nnames:\n";
  for (std::size_t i = 0; i < labels.size(); ++i)
    data << "  " << std::to_string(i) << ": " << json_quote(labels[i]) << "\n";
  data.finish();
  if (points > 0)
    std::cerr << folder << ": " << points << " points left out: labels of boxes have no place for them\n";
  if (unlinked > 0) std::cerr << folder << ": " << unlinked << " pictures are no files and not in images/\n";
}

}  // namespace la::cli
