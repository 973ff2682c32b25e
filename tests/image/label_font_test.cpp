#include <la/image/label_font.hpp>

#include <la/core/error.hpp>
#include <la/image/annotate.hpp>

#include <algorithm>

#include "../support.hpp"

using namespace la::test;

namespace {

constexpr const char* kDejaVu = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
constexpr const char* kDroid = "/usr/share/fonts-droid-fallback/truetype/DroidSansFallback.ttf";
constexpr la::i64 kHeight = 64;

const la::LabelFont& font() {
  static const la::LabelFont both({kDejaVu, kDroid});
  return both;
}

/// Where a line of text is black, and nothing else of it.
struct Ink {
  la::Image image;
  la::i64 left = 0, right = 0, top = 0, bottom = 0;  // of the black

  explicit Ink(std::string_view text) : image(16 + font().width(text, kHeight) + 16, kHeight) {
    std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t(255));
    font().draw(image, 16, 0, kHeight, text, la::kBlack);
    left = image.width, top = image.height;
    for (la::i64 y = 0; y < image.height; ++y)
      for (la::i64 x = 0; x < image.width; ++x)
        if (at(x, y)) {
          left = std::min(left, x), right = std::max(right, x + 1);
          top = std::min(top, y), bottom = std::max(bottom, y + 1);
        }
  }

  bool at(la::i64 x, la::i64 y) const { return image.row(y)[3 * x] < 128; }

  /// Black at this place of the black's own rectangle. units: parts of its sides
  bool inside(double x, double y) const {
    return at(left + la::i64(x * double(right - left - 1)), top + la::i64(y * double(bottom - top - 1)));
  }

  bool empty() const { return right <= left; }

  /// Columns without black between the first and the last with some.
  int gaps() const {
    int count = 0;
    for (la::i64 x = left; x < right; ++x) {
      bool black = false;
      for (la::i64 y = top; y < bottom; ++y) black = black || at(x, y);
      count += !black;
    }
    return count;
  }
};

la::Image tag(const std::string& label, const la::LabelFont* with) {
  la::Image image(800, 600);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t(127));
  la::AnnotateOptions look;
  look.font = with;
  return la::annotate(image, std::array{la::Mark{label, {}, la::MarkKind::box, {100, 200, 500, 400}}}, look);
}

}  // namespace

TEST_CASE("label font: a letter is drawn where it should be, dark on light") {
  const Ink bar("l"), dot(".");
  REQUIRE_FALSE(bar.empty());
  CHECK(bar.inside(0.5, 0.5));
  CHECK(bar.bottom - bar.top > kHeight / 2);
  CHECK(dot.top > bar.top + kHeight / 3);
  CHECK(std::abs(dot.bottom - bar.bottom) <= 1);
  CHECK(Ink(" ").empty());
}

TEST_CASE("label font: Chinese from the second file, whose strokes are where they belong") {
  const Ink mouth("\u53e3"), field("\u7530"), one("\u4e00");  // a frame, one with a cross in it, a bar
  for (const Ink* frame : {&mouth, &field}) {
    CHECK(frame->right - frame->left > kHeight / 2);
    CHECK(frame->inside(0.04, 0.5));
    CHECK(frame->inside(0.96, 0.5));
  }
  CHECK_FALSE(mouth.inside(0.5, 0.45));
  CHECK(field.inside(0.5, 0.3));
  CHECK(one.right - one.left > 4 * (one.bottom - one.top));
  // Neither file has this character: the box of the first, the same for all.
  CHECK(Ink("\U000e0fff").image.pixels == Ink("\U000e0ffe").image.pixels);
  CHECK(Ink("\U000e0fff").image.pixels != mouth.image.pixels);
}

TEST_CASE("label font: accents stand above their letters, composed or not") {
  const Ink plain("e"), accented("\u00e9"), apart("e\u0301");
  CHECK(accented.top < plain.top - 4);
  CHECK(accented.bottom == plain.bottom);
  CHECK(accented.image.pixels == apart.image.pixels);
}

TEST_CASE("label font: Arabic letters touch, Hebrew ones do not, and both go to the left") {
  CHECK(Ink("\u0628\u0628\u0628").gaps() == 0);
  CHECK(Ink("\u05d0\u05d1\u05d2").gaps() > 0);
  // The bar of a lam in front of a low letter is at the right.
  const Ink lam("\u0644\u0628\u0628");
  CHECK(lam.inside(0.97, 0.05));
  CHECK_FALSE(lam.inside(0.03, 0.05));
}

TEST_CASE("label font: a width is what drawing takes") {
  const Ink word("crème brûlée");
  CHECK(word.left >= 16);
  CHECK(word.right <= word.image.width - 16 + 1);
  CHECK(font().width("", kHeight) == 0);
  CHECK(font().width("ab", kHeight) <= font().width("a", kHeight) + font().width("b", kHeight));
}

TEST_CASE("label font: what lies outside the picture is left out") {
  la::Image small(4, 4);
  font().draw(small, -20, -20, kHeight, "W\u7530", la::kWhite);
  font().draw(small, 100, 100, kHeight, "W", la::kWhite);
  CHECK(small.width == 4);
}

TEST_CASE("label font: annotated labels of any script, with a font") {
  CHECK(tag("\u53e3", &font()).pixels != tag("\u7530", &font()).pixels);
  // Without one they are all "?".
  CHECK(tag("\u53e3", nullptr).pixels == tag("\u7530", nullptr).pixels);
}

TEST_CASE("label font: a long label is cut between characters") {
  std::string label;
  for (int i = 0; i < 200; ++i) label += "\u7530";
  const la::Image image = tag(label, &font());
  CHECK(image.pixels != tag("", &font()).pixels);
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "\u7530";
  CHECK(image.pixels == tag(many, &font()).pixels);
}

TEST_CASE("label font: files that are no fonts are refused by name") {
  TemporaryDirectory here;
  const std::string bytes = read_file(kDejaVu), path = here / "font.ttf";
  const auto refused = [&](const std::string& content, const std::string& part) {
    std::ofstream(path, std::ios::binary) << content;
    try {
      const la::LabelFont made({path});
      FAIL("was taken");
    } catch (const la::Error& error) {
      CHECK_MESSAGE(std::string(error.what()).find(path) != std::string::npos, error.what());
      CHECK_MESSAGE(std::string(error.what()).find(part) != std::string::npos, error.what());
    }
  };
  refused("not a font, but longer than sixteen bytes", "expected a TrueType or OpenType font");
  refused(bytes.substr(0, 11), "expected a TrueType or OpenType font");
  refused(bytes.substr(0, 400), "expected a TrueType or OpenType font");
  refused(bytes.substr(0, bytes.size() / 2), "expected a TrueType or OpenType font");
  CHECK_THROWS_AS(la::LabelFont({here / "none.ttf"}), la::Error);
  CHECK_THROWS_AS(la::LabelFont(std::vector<std::string>{}), la::Error);
}

TEST_CASE("label font: the usual files are there where they are installed") {
  const std::vector<std::string> usual = la::LabelFont::usual_paths();
  for (const char* path : {kDejaVu, kDroid})
    CHECK_MESSAGE(std::find(usual.begin(), usual.end(), path) != usual.end(), path);
}
