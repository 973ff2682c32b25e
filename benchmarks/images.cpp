// Draws the pictures of data/pictures again: `pictures data/pictures`.

#include "examples/cli/run_main.hpp"
#include "../tests/scenes/images.hpp"

#include <array>
#include <cstdio>
#include <fstream>
#include <string>

#include "la/core/error.hpp"
#include "la/image/exif.hpp"
#include "la/image/stb_writer.hpp"
#include "la/image/write_png.hpp"

namespace la::scenes {
namespace {

constexpr std::uint64_t kGrainSeed = 7;
constexpr int kQuality = 92;

/// A JPEG file with an EXIF segment that holds the orientation alone.
std::string jpeg(const Image& stored, char orientation) {
  std::string plain;
  const auto append = [](void* out, void* bytes, int size) {
    static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), std::size_t(size));
  };
  require(detail::stb_writer::stbi_write_jpg_to_func(append, &plain, int(stored.width), int(stored.height), 3,
                                                     stored.pixels.data(), kQuality) != 0,
          "the JPEG writer failed");
  // APP1 of 34 bytes: "Exif", a big-endian TIFF header, one directory with one entry (0x0112, SHORT).
  const std::array<char, 36> exif{'\xff', '\xe1', 0, 34, 'E', 'x', 'i', 'f', 0, 0,
                                  'M',    'M',    0, 42, 0,   0,   0,   8,   0, 1,
                                  1,      0x12,   0, 3,  0,   0,   0,   1,   0, orientation};
  constexpr std::size_t kStartMarker = 2;
  return plain.insert(kStartMarker, exif.data(), exif.size());
}

void draw(const std::string& directory) {
  write_png(directory + "/shapes.png", render(shapes_image(), kGrainSeed));
  write_png(directory + "/crowd.png", render(crowd_image(), kGrainSeed));
  constexpr int kQuarterLeft = 8;
  constexpr char kQuarterRight = 6;
  const Image on_its_side = apply_orientation(render(turned_image(), kGrainSeed), kQuarterLeft);
  std::ofstream out(directory + "/turned.jpg", std::ios::binary);
  out << jpeg(on_its_side, kQuarterRight);
  require(out.flush().good(), directory, "/turned.jpg: could not be written");
}

}  // namespace
}  // namespace la::scenes

int main(int argc, char** argv) {
  return la::cli::run_main("pictures", [&] {
    if (argc != 2) la::fail_usage("usage: pictures DIRECTORY");
    la::scenes::draw(argv[1]);
  });
}
