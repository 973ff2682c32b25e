#include <la/image/annotate.hpp>

#include <la/core/error.hpp>
#include <la/image/draw.hpp>

#include <cmath>
#include <limits>
#include <set>

#include "../support.hpp"

using namespace la::test;

namespace {

la::Image grey(la::i64 width, la::i64 height) {
  la::Image image(width, height);
  for (auto& value : image.pixels) value = 127;
  return image;
}

la::Colour at(const la::Image& image, la::i64 x, la::i64 y) {
  const std::uint8_t* p = image.row(y) + 3 * x;
  return {p[0], p[1], p[2]};
}

constexpr la::Colour kGrey{127, 127, 127};

/// Colours other than grey, black and white: those of the marks.
std::set<std::array<int, 3>> mark_colours(const la::Image& image) {
  std::set<std::array<int, 3>> colours;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
    colours.insert({image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]});
  for (const int level : {0, 127, 255}) colours.erase({level, level, level});
  return colours;
}

la::Mark box(const std::string& label, std::array<float, 4> at) {
  return {label, {}, la::MarkKind::box, at};
}

}  // namespace

TEST_CASE("annotate: a box is drawn on its edges and leaves its inside alone") {
  const la::Image image = la::annotate(grey(800, 600), std::array{box("cat", {100, 200, 500, 400})});
  CHECK(image.width == 800);
  CHECK(mark_colours(image).size() == 1);
  const la::Colour line = at(image, 300, 399);
  CHECK(mark_colours(image).contains({line.r, line.g, line.b}));
  for (const auto& [x, y] : {std::pair{100, 300}, {499, 300}, {300, 200}, {300, 399}})
    CHECK(at(image, x, y) == line);
  for (const auto& [x, y] : {std::pair{300, 300}, {110, 390}, {90, 300}, {300, 410}})
    CHECK(at(image, x, y) == kGrey);
}

TEST_CASE("annotate: a small picture is enlarged by a whole factor, marks with it") {
  const la::Image image = la::annotate(grey(100, 60), std::array{box("cat", {10, 20, 50, 40})});
  CHECK(image.width == 700);
  CHECK(image.height == 420);
  CHECK(at(image, 70, 210) == at(image, 349, 210));
  CHECK(at(image, 70, 210) != kGrey);
  CHECK(at(image, 200, 210) == kGrey);
  CHECK(la::annotate(grey(100, 60), {}, {.min_longer_side = 0}) == grey(100, 60));
  CHECK(la::annotate(grey(1, 1), {}) == grey(640, 640));
  CHECK(la::annotate(grey(1, 3000), {}) == grey(1, 3000));
}

TEST_CASE("annotate: one colour a label") {
  const std::array marks{box("a", {0, 300, 90, 390}), box("b", {200, 300, 290, 390}),
                         box("a", {400, 300, 490, 390})};
  const la::Image image = la::annotate(grey(640, 480), marks);
  CHECK(mark_colours(image).size() == 2);
  CHECK(at(image, 45, 389) == at(image, 445, 389));
  CHECK(at(image, 45, 389) != at(image, 245, 389));
}

TEST_CASE("annotate: a point is a dot in a white ring") {
  la::Mark point{"", {}, la::MarkKind::point, {320, 240, 0, 0}};
  const la::Image image = la::annotate(grey(640, 480), std::array{point});
  CHECK(mark_colours(image).size() == 1);
  CHECK(at(image, 320, 240) != kGrey);
  bool ring = false;
  for (la::i64 x = 320; x < 340; ++x) ring = ring || at(image, x, 240) == la::kWhite;
  CHECK(ring);
  CHECK(at(image, 340, 240) == kGrey);
}

TEST_CASE("annotate: tags show label and score and stay inside the picture") {
  const la::Image plain = la::annotate(grey(640, 480), std::array{box("", {0, 0, 640, 480})});
  const la::Image tagged = la::annotate(grey(640, 480), std::array{box("dog", {0, 0, 640, 480})});
  CHECK(plain != tagged);
  la::Mark scored = box("dog", {0, 0, 640, 480});
  scored.score = 0.5f;
  CHECK(la::annotate(grey(640, 480), std::array{scored}) != tagged);
  la::Mark none{"dog", {}, la::MarkKind::none, {}};
  const la::Image corner = la::annotate(grey(640, 480), std::array{none});
  CHECK(mark_colours(corner).size() == 1);
  CHECK(at(corner, 0, 0) != kGrey);
  CHECK(at(corner, 639, 479) == kGrey);
  // A tag beyond the right edge is moved left: its text ends before the border.
  const la::Image moved = la::annotate(grey(640, 480), std::array{box("a long label", {630, 200, 640, 240})});
  CHECK(at(moved, 560, 190) != kGrey);
}

TEST_CASE("annotate: tags of the same place do not cover each other") {
  std::vector<la::Mark> marks;
  for (const char* label : {"one", "two", "three", "four"}) marks.push_back(box(label, {200, 200, 400, 400}));
  const la::Image image = la::annotate(grey(640, 480), marks);
  CHECK(mark_colours(image).size() == 4);  // the boxes hide each other: each colour is seen by its tag
}

TEST_CASE("annotate: any coordinates and labels are safe") {
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const la::Image image = grey(64, 48);
  for (const auto& coordinates : std::initializer_list<std::array<float, 4>>{{-inf, -inf, inf, inf},
                                                                             {-1e30f, 5, 1e30f, 9},
                                                                             {700, 700, 800, 800},
                                                                             {-9, -9, -5, -5},
                                                                             {30, 30, 10, 10},
                                                                             {5, 5, 5, 5}}) {
    for (const la::MarkKind kind : {la::MarkKind::box, la::MarkKind::point})
      CHECK(mark_colours(la::annotate(image, std::array{la::Mark{"x", {}, kind, coordinates}})).size() == 1);
    CHECK(la::annotate(grey(1, 3000), std::array{box("x", coordinates)}).width == 1);
  }
  CHECK(la::annotate(image, std::array{box("x", {0, 0, nan, 9})}) == la::annotate(image, {}));
  const std::string strange("\xe7\x8c\xab\xff\x80\n\t\0\x7f", 9);
  for (const std::string& label : {strange, std::string(100000, 'w'), std::string(5000, '\xc3')})
    CHECK(mark_colours(la::annotate(image, std::array{box(label, {1, 1, 9, 9})})).size() == 1);
  CHECK_THROWS_AS(la::annotate(la::Image(), {}), la::Error);
}

TEST_CASE("draw: text outside ASCII becomes one question mark a character") {
  CHECK(la::drawable_text("cat 9~") == "cat 9~");
  CHECK(la::drawable_text("\xe7\x8c\xab and \xc3\xa9") == "? and ?");
  CHECK(la::drawable_text("a\tb\x7f") == "a?b?");
  for (int c = 32; c < 127; ++c) {  // every glyph fits its line and the buffer of its quads
    la::Image image(40, 40);
    la::draw_text(image, 5, 5, 1, std::string(3, char(c)), la::kWhite);
    for (la::i64 y = 5 + la::kTextHeight; y < 40; ++y)
      for (la::i64 x = 0; x < 40; ++x) REQUIRE(at(image, x, y) == la::kBlack);
  }
}

TEST_CASE("draw: shapes are clipped to the picture") {
  la::Image image = grey(4, 3);
  la::fill_rect(image, {-5, -5, 2, 2}, la::kWhite);
  la::fill_rect(image, {3, 2, 90, 90}, la::kBlack);
  la::fill_rect(image, {2, 0, 1, 3}, la::kBlack);
  CHECK(at(image, 1, 1) == la::kWhite);
  CHECK(at(image, 2, 2) == kGrey);
  CHECK(at(image, 3, 2) == la::kBlack);
  la::fill_disc(image, 100, 100, 5, la::kBlack);
  CHECK(at(image, 3, 0) == kGrey);
}
