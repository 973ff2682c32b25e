#include <la/image/write_png.hpp>

#include <la/core/error.hpp>
#include <la/image/load.hpp>

#include <filesystem>
#include <fstream>

#include "../support.hpp"

using namespace la::test;
namespace fs = std::filesystem;

namespace {

la::Image sample(la::i64 width, la::i64 height) {
  la::Image image(width, height);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = std::uint8_t(i * i >> 4);
  return image;
}

std::string write_error(const std::string& path, const la::Image& image) {
  try {
    la::write_png(path, image);
  } catch (const la::Error& error) {
    return error.what();
  }
  return "no error";
}

std::size_t files_in(const std::string& directory) {
  return std::size_t(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("write_png: what is written is read back") {
  TemporaryDirectory directory;
  for (const auto& [w, h] : {std::pair{1, 1}, {1, 3000}, {317, 200}}) {
    la::write_png(directory / "a.png", sample(w, h));
    CHECK(la::load_image(directory / "a.png") == sample(w, h));
  }
  CHECK(files_in(directory.str()) == 1);
}

TEST_CASE("write_png: a failure names the path and leaves nothing behind") {
  TemporaryDirectory directory;
  const std::string missing = directory / "none/a.png";
  CHECK(write_error(missing, sample(2, 2)) == missing + ": cannot be written: No such file or directory");
  CHECK(write_error(directory.str(), sample(2, 2)) ==
        directory.str() + ": cannot be written: Is a directory");
  CHECK(write_error(directory / "a.png", la::Image()).starts_with(directory / "a.png: expected a picture"));
  CHECK(files_in(directory.str()) == 0);
}

TEST_CASE("write_png: a full disk is an error") {
  if (!fs::exists("/dev/full")) return;
  CHECK(write_error("/dev/full", sample(64, 64)) == "/dev/full: cannot be written: No space left on device");
  CHECK(fs::is_character_file("/dev/full"));
}

TEST_CASE("write_png: a symbolic link is followed, not replaced") {
  TemporaryDirectory directory;
  std::ofstream(directory / "target.png") << "old";
  fs::create_symlink("target.png", directory / "link.png");
  la::write_png(directory / "link.png", sample(3, 3));
  CHECK(fs::is_symlink(directory / "link.png"));
  CHECK(la::load_image(directory / "target.png") == sample(3, 3));
}
