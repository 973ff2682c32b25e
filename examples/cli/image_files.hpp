#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string>
#include <vector>

// Folders of pictures.
namespace la::cli {

inline std::string lower_extension(const std::filesystem::path& path) {
  std::string end = path.extension().string();
  std::transform(end.begin(), end.end(), end.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return end;
}

/// By its name.
inline bool is_image(const std::filesystem::path& path) {
  constexpr std::array<std::string_view, 11> kEnds{".png", ".jpg",  ".jpeg", ".bmp",  ".webp", ".gif",
                                                   ".tif", ".tiff", ".heic", ".heif", ".avif"};
  const std::string end = lower_extension(path);
  return std::find(kEnds.begin(), kEnds.end(), end) != kEnds.end();
}

/// All pictures of a folder and of those in it, by name.
inline std::vector<std::string> images_of(const std::filesystem::path& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && is_image(entry.path())) paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace la::cli
