#include <functional>
#include <utility>

#include "../../la/image/annotate.hpp"
#include "../../la/image/patches.hpp"
#include "../../la/image/resize.hpp"
#include "../../la/image/tiles.hpp"
#include "../../la/image/write_image.hpp"
#include "../../la/image/write_png.hpp"
#include "../../la/session/session.hpp"
#include "../support.hpp"

namespace la::test {
namespace {

struct BadImage {
  const char* name;
  Image image;
};

/// Pictures whose fields do not fit each other. An Image is a struct: nothing else keeps a caller from making them.
std::vector<BadImage> bad_images() {
  Image short_by_one(8, 8), long_by_one(8, 8), moved_from(8, 8), none, flat(8, 8), negative(8, 8), huge(8, 8);
  short_by_one.pixels.pop_back();
  long_by_one.pixels.push_back(0);
  const Image taken = std::move(moved_from);
  flat.height = 0;
  negative.width = -8;
  huge.width = i64{1} << 62;  // times 3 it is no i64
  huge.height = 4;
  return {{"short by one", std::move(short_by_one)},
          {"long by one", std::move(long_by_one)},
          {"moved from", Image(std::move(moved_from))},
          {"none", std::move(none)},
          {"flat", std::move(flat)},
          {"negative", std::move(negative)},
          {"huge", std::move(huge)}};
}

struct Entry {
  const char* name;
  std::function<void(Image&)> call;
};

std::vector<Entry> image_entries(const TemporaryDirectory& folder) {
  return {
      {"resize", [](Image& image) { (void)resize_bicubic(image, 4, 4); }},
      {"resize to its size", [](Image& image) { (void)resize_bicubic(image, image.width, image.height); }},
      {"limit_side", [](Image& image) { (void)limit_side(image, 4); }},
      {"limit_side, none needed", [](Image& image) { (void)limit_side(image, i64{1} << 40); }},
      {"preprocess", [](Image& image) { (void)preprocess(image, {}); }},
      {"crop",
       [](Image& image) {
         (void)crop(image, {0, 0, 2, 2});
       }},
      {"annotate", [](Image& image) { (void)annotate(image, {}); }},
      {"enlarge", [](Image& image) { (void)enlarge(image, 2); }},
      {"fill_rect",
       [](Image& image) {
         fill_rect(image, {0, 0, 8, 8}, kBlack);
       }},
      {"draw_outline",
       [](Image& image) {
         draw_outline(image, {0, 0, 8, 8}, 1, kBlack);
       }},
      {"blend_pixel", [](Image& image) { blend_pixel(image, 0, 0, kBlack, 9); }},
      {"fill_disc", [](Image& image) { fill_disc(image, 4, 4, 2, kBlack); }},
      {"draw_text", [](Image& image) { draw_text(image, 0, 0, 1, "a", kBlack); }},
      {"write_png", [&folder](Image& image) { write_png(folder / "a.png", image); }},
      {"write_image", [&folder](Image& image) { write_image(folder / "a.jpg", image); }},
  };
}

}  // namespace

TEST_CASE("image: pixels that do not fit the sides are an error wherever a picture goes") {
  const TemporaryDirectory folder;
  for (const Entry& entry : image_entries(folder))
    for (BadImage& bad : bad_images()) {
      CAPTURE(entry.name);
      CAPTURE(bad.name);
      CHECK_THROWS_AS(entry.call(bad.image), Error);
    }
  Image moved(8, 8);
  const Image taken = std::move(moved);
  CHECK_THROWS_WITH_AS(annotate(moved, {}),
                       "annotate: expected a picture with 3 bytes for each pixel, found 8x8 with 0 bytes",
                       Error);
  for (const Entry& entry : image_entries(folder)) {
    CAPTURE(entry.name);
    Image good(8, 8);
    CHECK_NOTHROW(entry.call(good));
  }
}

TEST_CASE("image: a session refuses such pictures too, alone, in tiles and in a batch") {
  SessionOptions session_options;
  session_options.threads = 1;
  Session session = Session::open(source("data/shapes"), session_options);
  for (BadImage& bad : bad_images()) {
    CAPTURE(bad.name);
    CHECK_THROWS_AS(session.encode(bad.image), Error);
    CHECK_THROWS_AS(session.encode(bad.image, 4), Error);
    for (const i64 side : {0, 4}) {
      Request request;
      request.images = {bad.image};
      request.question = question(Task::ground_single, "red circle");
      request.options.tile.side = side;
      CHECK_THROWS_AS(session.ask(request), Error);
      const std::vector<Result> results = session.batch(std::span(&request, 1));
      CHECK(!results[0].ok());
      CHECK(results[0].error_kind == ErrorKind::usage);
    }
  }
  CHECK_THROWS_WITH_AS(session.ground(EncodedImage{}, "red circle"),
                       "request: expected a picture encoded with this model, found one of 0 rows of 0 values",
                       Error);
}

TEST_CASE("image: sides that no picture has are an error, not an allocation") {
  CHECK_THROWS_WITH_AS(Image(-1, 4), "picture: expected sides of 0 to 1073741824 pixels, found -1x4", Error);
  CHECK_THROWS_AS(Image(i64{1} << 40, 1), Error);
  CHECK(Image(0, 0).pixels.empty());
}

}  // namespace la::test
