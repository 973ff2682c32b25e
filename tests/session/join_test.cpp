#include "../../la/session/join.hpp"

#include "../support.hpp"

namespace la::test {
namespace {

constexpr Rect kWhole{0, 0, 1000, 500}, kLeft{0, 0, 300, 300}, kRight{200, 0, 500, 300};

Item box(const std::string& label, std::array<float, 4> at, float score) {
  Item item;
  item.label = label;
  item.kind = Item::Kind::box;
  item.box = at;
  item.score = score;
  return item;
}

Item point(const std::string& label, std::array<float, 2> at, float score) {
  Item item;
  item.label = label;
  item.kind = Item::Kind::point;
  item.point = at;
  item.score = score;
  return item;
}

Item none(const std::string& label) {
  Item item;
  item.label = label;
  return item;
}

using Boxes = std::vector<std::array<float, 4>>;
Boxes boxes_of(const std::vector<Item>& items) {
  Boxes all;
  for (const Item& item : items) all.push_back(item.box);
  return all;
}

std::vector<std::string> labels_of(const std::vector<Item>& items) {
  std::vector<std::string> all;
  for (const Item& item : items) all.push_back(item.label);
  return all;
}

std::vector<Item> join(const std::vector<PartAnswer>& parts) {
  std::vector<std::string> warnings;
  const auto items = join_items(parts, warnings);
  CHECK(warnings.empty());
  return items;
}

}  // namespace

TEST_CASE("join: items come in the order of the categories asked") {
  const auto items =
      join({{kWhole, {"cat", "dog"}, {box("dog", {1, 1, 9, 9}, 0.5f), box("cat", {5, 5, 9, 9}, 0.4f)}},
            {kWhole, {"cow"}, {none("cow")}}});
  CHECK(labels_of(items) == std::vector<std::string>{"cat", "dog", "cow"});
}

TEST_CASE("join: a label that was not asked for is mapped, or dropped with a warning") {
  std::vector<std::string> warnings;
  const auto items =
      join_items({{kWhole, {"cat", "dog"}, {box("Dog ", {1, 1, 9, 9}, 0.5f), box("car", {5, 5, 9, 9}, 0.4f)}},
                  {kWhole, {"cow"}, {box("bull", {20, 20, 40, 40}, 0.3f)}}},
                 warnings);
  CHECK(labels_of(items) == std::vector<std::string>{"dog", "cow"});
  CHECK(warnings == std::vector<std::string>{"dropped an item of \"car\", which was not asked for"});
}

TEST_CASE("join: of near duplicates in one view the higher score stays, neighbours both stay") {
  const auto items = join({{kWhole,
                            {"cat"},
                            {box("cat", {0, 0, 100, 100}, 0.4f), box("cat", {0, 0, 98, 100}, 0.6f),
                             box("cat", {50, 0, 150, 100}, 0.5f)}},
                           {kWhole, {"dog"}, {box("dog", {0, 0, 100, 100}, 0.2f)}}});
  CHECK(boxes_of(items) == Boxes{{0, 0, 98, 100}, {50, 0, 150, 100}, {0, 0, 100, 100}});
}

TEST_CASE("join: no double boxes at seams: a box that a tile's edge cuts gives way to the whole one") {
  // Left tile: up to its right edge at 300; the right tile shows all of it.
  const auto items = join({{kWhole, {}, {}},
                           {kLeft, {}, {box("cat", {250, 40, 300, 80}, 0.9f)}},
                           {kRight, {}, {box("cat", {50, 40, 130, 80}, 0.5f)}}});
  CHECK(boxes_of(items) == Boxes{{250, 40, 330, 80}});
  CHECK(items[0].box_1000 == std::array<int, 4>{250, 80, 330, 160});
}

TEST_CASE("join: no double boxes at seams: what two tiles cut becomes the box around both") {
  const auto items = join({{kWhole, {}, {}},
                           {kLeft, {}, {box("cat", {150, 40, 300, 80}, 0.9f)}},
                           {kRight, {}, {box("cat", {0, 42, 180, 82}, 0.5f)}}});
  CHECK(boxes_of(items) == Boxes{{150, 40, 380, 82}});
  CHECK(items[0].score == 0.9f);
}

TEST_CASE("join: a piece of what the whole picture shows is dropped, a thing inside it is not") {
  const auto items =
      join({{kWhole, {}, {box("cat", {100, 20, 450, 280}, 0.7f)}},
            {kLeft, {}, {box("cat", {100, 20, 299, 150}, 0.9f), box("cat", {120, 200, 150, 230}, 0.6f)}}});
  CHECK(boxes_of(items) == Boxes{{100, 20, 450, 280}, {120, 200, 150, 230}});
}

TEST_CASE("join: of one thing in two views the higher score stays, of two labels both") {
  const auto items =
      join({{kWhole, {}, {box("cat", {208, 40, 250, 82}, 0.3f)}},
            {kLeft, {}, {box("cat", {210, 40, 250, 80}, 0.6f), box("dog", {210, 40, 250, 80}, 0.1f)}},
            {kRight, {}, {box("cat", {11, 40, 51, 80}, 0.5f)}}});
  CHECK(boxes_of(items) == Boxes{{210, 40, 250, 80}, {210, 40, 250, 80}});
  CHECK(labels_of(items) == std::vector<std::string>{"cat", "dog"});
}

TEST_CASE("join: points of one thing become one") {
  const auto items = join({{kWhole, {}, {point("cat", {250, 60}, 0.3f)}},
                           {kRight, {}, {point("cat", {55, 62}, 0.6f), point("cat", {150, 60}, 0.6f)}}});
  REQUIRE(items.size() == 2);
  CHECK(items[0].point == std::array<float, 2>{255, 62});
  CHECK(items[0].box_1000 == std::array<int, 4>{255, 124, 0, 0});
  CHECK(items[1].point == std::array<float, 2>{350, 60});
}

TEST_CASE("join: none stays once, and only where nothing was found") {
  CHECK(join({{kWhole, {}, {none("cat")}}, {kLeft, {}, {none("cat")}}}).size() == 1);
  const auto items = join({{kWhole, {}, {none("cat")}}, {kLeft, {}, {box("cat", {10, 10, 20, 20}, 0.1f)}}});
  REQUIRE(items.size() == 1);
  CHECK(items[0].kind == Item::Kind::box);
}

}  // namespace la::test
