#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "../../tests/scenes/scene.hpp"
#include "la/image/write_png.hpp"

namespace la::bulk {

/// A drawn picture of some size, and what is known about it before it is decoded.
struct Picture {
  std::string path;
  i64 pixels = 0;
  double bytes = 0;
};

/// Each pixel `times` times across and down.
inline Image enlarged(const Image& image, i64 times) {
  Image large(image.width * times, image.height * times);
  for (i64 y = 0; y < large.height; ++y)
    for (i64 x = 0; x < large.width; ++x)
      for (i64 c = 0; c < 3; ++c) large.row(y)[x * 3 + c] = image.row(y / times)[x / times * 3 + c];
  return large;
}

/// Scenes with sides of 112 to 1120 pixels, small ones more often: sides are even on a logarithmic scale.
inline std::vector<Picture> draw_pictures(const std::string& folder, int count, std::uint64_t seed) {
  std::vector<Picture> pictures;
  scenes::Dice dice(seed);
  for (int i = 0; i < count; ++i) {
    const i64 times = std::lround(std::exp(dice.uniform(0, std::log(5.49))));
    const Image image = enlarged(scenes::render(scenes::draw_scene(seed + std::uint64_t(i)), seed), times);
    const std::string path = folder + "/" + std::to_string(i) + ".png";
    write_png(path, image);
    pictures.push_back({path, image.width * image.height, double(std::filesystem::file_size(path))});
  }
  return pictures;
}

inline void write_requests(const std::string& path, const std::vector<Picture>& pictures) {
  std::ofstream out(path);
  for (const Picture& picture : pictures)
    out << R"({"image":")" << picture.path << R"(","task":"ground-multi","phrase":"red circle"})"
        << "\n";
  require(out.flush().good(), path, ": could not be written");
}

}  // namespace la::bulk
