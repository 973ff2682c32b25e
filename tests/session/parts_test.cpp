#include "../../la/session/parts.hpp"

#include "../../la/session/session.hpp"
#include "../scenes/scene.hpp"
#include "../support.hpp"

namespace la::test {
namespace {

Image crowd() {
  return load_image(source("data/pictures/crowd.png"));
}

Request detect(Image image, std::vector<std::string> categories, i64 a_question) {
  Request request;
  request.images.emplace_back(std::move(image));
  request.categories = std::move(categories);
  request.options.categories_per_question = a_question;
  return request;
}

}  // namespace

TEST_CASE("parts: categories in several questions give the items of one at a time") {
  Session session = Session::open(source("data/shapes"));
  const std::vector<std::string> names{"red circle", "blue square", "purple star"};
  std::vector<Item> want;
  std::vector<std::int32_t> ids;
  for (const std::string& name : names) {
    const Result one = session.ask(session.encode(crowd()), question(Task::detect, name));
    want.insert(want.end(), one.items.begin(), one.items.end());
    ids.insert(ids.end(), one.token_ids.begin(), one.token_ids.end());
  }
  std::vector<std::string> streamed;
  Request request = detect(crowd(), names, 1);
  request.options.on_item = [&](const Item& item) { streamed.push_back(item.label); };
  const Result joined = session.ask(std::move(request));
  CHECK(joined.token_ids == ids);
  CHECK(joined.query == question(Task::detect, "red circle</c>blue square</c>purple star").text());
  CHECK(joined.width == 224);
  REQUIRE(joined.items.size() == want.size());
  REQUIRE(streamed.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CHECK(joined.items[i].label == want[i].label);
    CHECK(joined.items[i].box == want[i].box);
    CHECK(joined.items[i].score == want[i].score);
    CHECK(streamed[i] == want[i].label);
  }
}

TEST_CASE("parts: what one question can ask is passed on as it is") {
  Session session = Session::open(source("data/shapes"));
  const Result plain =
      session.ask(session.encode(crowd()), question(Task::detect, "red circle</c>blue square"));
  for (const i64 a_question : {0, 2, 5}) {
    const Result passed = session.ask(detect(crowd(), {"red circle", "blue square"}, a_question));
    CHECK(passed.token_ids == plain.token_ids);
    CHECK(passed.forward_steps == plain.forward_steps);
  }
  CHECK_THROWS_AS(session.ask(detect(crowd(), {"red circle"}, -1)), Error);
}

TEST_CASE("parts: a category that is named twice is asked once") {
  Session session = Session::open(source("data/shapes"));
  for (const i64 size : {0, 1}) {
    const Result twice = session.ask(detect(crowd(), {"red circle", "red circle", "blue square"}, size));
    const Result once = session.ask(detect(crowd(), {"red circle", "blue square"}, size));
    CHECK(twice.token_ids == once.token_ids);
    CHECK(twice.query == once.query);
    CHECK(twice.items.size() == once.items.size());
  }
}

TEST_CASE("parts: results and items of a batch keep the numbers of their requests") {
  Session session = Session::open(source("data/shapes"));
  std::vector<Request> requests{detect(crowd(), {"red circle"}, 1),
                                detect(crowd(), {"red circle", "blue square", "purple star"}, 1),
                                detect(crowd(), {"purple star"}, 1)};
  requests.push_back(requests[0]);
  requests[3].images[0] = std::string("/nonexistent.png");
  requests[3].options.tile.side = 64;
  std::vector<int> items(requests.size());
  BatchOptions options;
  options.on_item = [&](i64 index, const Item&) { ++items[std::size_t(index)]; };
  const auto results = session.batch(requests, options);
  CHECK(results[1].items.size() >= 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(results[i].ok());
    CHECK(items[i] == int(results[i].items.size()));
  }
  CHECK(results[0].items[0].label == "red circle");
  CHECK(results[2].items[0].label == "purple star");
  CHECK(results[3].error.find("/nonexistent.png") == 0);
}

TEST_CASE("parts: tiles find what is small in the whole picture, in its pixels") {
  scenes::Scene scene;
  scene.width = scene.height = 640;
  scene.background.rgb = {240, 240, 235};
  scenes::Thing thing;
  thing.shape = scenes::Shape::circle;
  thing.paint = 0;
  thing.rgb = scenes::kPaints[0].rgb;
  thing.x = 500;
  thing.y = 420;
  thing.radius = 16;
  scene.things = {thing};
  Session session = Session::open(source("data/shapes"));
  Request request;
  request.images.emplace_back(scenes::render(scene, 1));
  request.question = question(Task::ground_multi, "red circle");
  request.options.tile = {160, 0.2};
  double best = 0;
  const Result result = session.ask(request);
  for (const Item& item : result.items)
    if (item.kind == Item::Kind::box) best = std::max(best, scenes::iou(item.box, thing.box()));
  CHECK(best > 0.5);
  CHECK(result.width == 640);

  request.images[0] = session.encode(scenes::render(scene, 1));
  CHECK_THROWS_WITH_AS(session.ask(request),
                       "tile: expected a file or pixels, found a picture that is encoded already", Error);
}

}  // namespace la::test
