#include <map>
#include <set>

#include "../scenes/scene.hpp"
#include "la/image/write_png.hpp"
#include "batch_program.hpp"

// What the batch program writes for other tools, read back as they do.
namespace la::test {
namespace {

/// What the reader of this format says about a file that was made out of these answers.
std::string read_back(const std::string& format, const std::string& answers, const std::string& path) {
  const Outcome outcome =
      run({{"/usr/bin/env", "python3", source("tests/cli/read_formats.py"), format, answers, path}});
  INFO(format, ": ", outcome.err);
  CHECK(outcome.status == 0);
  return outcome.out;
}

/// Pictures and ids with all that formats trip over.
std::vector<std::string> awkward_requests(const TemporaryDirectory& here) {
  std::filesystem::create_directories(here / "a");
  std::filesystem::create_directories(here / "b & c");
  const std::string same = here / "a/photo.png", other = here / "b & c/photo.png",
                    named = here / "a/<é>, 1.png";
  std::filesystem::copy_file(image("shapes.png"), same);
  std::filesystem::copy_file(image("crowd.png"), other);
  std::filesystem::copy_file(image("letters.png"), named);
  const auto line = [](const std::string& path, const std::string& more) {
    return "{\"image\":\"" + path + "\"," + more + "}";
  };
  return {line(same, R"("query":"ring</c>star","id":"a,\"b\"\nc")"),
          line(same, R"("task":"point","phrase":"red circle","id":"point")"),
          line(other, R"("query":"star</c>circle</c>square")"),
          line(named, R"("query":"star")"),
          line(named, R"("query":"letter","time":0.25)"),
          line(here / "gone.png", R"("query":"a, \"b\"")"),
          "broken"};
}

simdjson::dom::element numbers_of(simdjson::dom::parser& parser, const std::string& path) {
  simdjson::dom::element file;
  REQUIRE(parser.load(path + ".ids.json").get(file) == simdjson::SUCCESS);
  return file;
}

std::int64_t number_of(simdjson::dom::element numbers, const char* kind, const std::string& name) {
  std::int64_t number = -1;
  CHECK_MESSAGE(numbers[kind].at_key(name).get(number) == simdjson::SUCCESS, name);
  return number;
}

/// The result of a run about copies of one picture under these names, each with more members; what stands for them.
std::map<std::string, std::int64_t> coco_numbers(
    const std::vector<std::pair<std::string, std::string>>& images) {
  TemporaryDirectory here;
  std::vector<std::string> lines;
  for (const auto& [name, more] : images) {
    std::filesystem::create_directories(std::filesystem::path(here / name).parent_path());
    std::filesystem::copy_file(image("shapes.png"), here / name,
                               std::filesystem::copy_options::overwrite_existing);
    lines.push_back("{\"image\":\"" + name + "\",\"query\":\"ring\"" + more + "}");
  }
  write(here / "in.jsonl", lines);
  succeed(batch_program(here / "in.jsonl", here / "out.json", {"--format", "coco"}));
  read_back("coco", here / "out.json.jsonl", here / "out.json");
  simdjson::dom::parser parser;
  std::map<std::string, std::int64_t> numbers;
  for (const auto& [name, more] : images)
    numbers[name] = number_of(numbers_of(parser, here / "out.json"), "images", name);
  return numbers;
}

}  // namespace

TEST_CASE(
    "batch formats: coco, yolo, labelstudio, cvat and csv at once, read as their tools do, box by box") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.jsonl";
  write(in, awkward_requests(here));
  const Outcome outcome =
      succeed(batch_program(in, out, {"--format", "jsonl,coco,yolo,labelstudio,cvat,csv"}));
  CHECK(outcome.err.find("1 points left out: a file of boxes has no place for them") != std::string::npos);
  CHECK(outcome.err.find("1 points left out: labels of boxes have no place for them") != std::string::npos);
  const std::string boxes = read_back("coco", out, here / "out.coco.json");
  CHECK(boxes.find("0 points") != std::string::npos);
  CHECK(std::stoi(boxes) > 4);
  CHECK(read_back("yolo", out, here / "out.yolo") == boxes);
  const std::string all = std::to_string(std::stoi(boxes)) + " boxes, 1 points\n";
  CHECK(read_back("labelstudio", out, here / "out.labelstudio.json") == all);
  CHECK(read_back("cvat", out, here / "out.cvat.xml") == all);
  CHECK(read_back("csv", out, here / "out.csv") == all);
}

TEST_CASE("batch formats: one format takes the name of --out, its answers stand beside it") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl";
  write(in, awkward_requests(here));
  for (const std::string format : {"coco", "yolo", "labelstudio", "cvat", "csv"}) {
    const std::string out = here / ("out-" + format);
    succeed(batch_program(in, out, {"--format", format}));
    CHECK(std::stoi(read_back(format, out + ".jsonl", out)) > 4);
  }
}

TEST_CASE("batch coco: numbers from names of COCO 2014 and 2017, and no number for two pictures") {
  // As the data sets have them.
  CHECK(coco_numbers({{"COCO_val2014_000000000042.png", ""}, {"000000391895.png", ""}}) ==
        std::map<std::string, std::int64_t>{{"COCO_val2014_000000000042.png", 42},
                                            {"000000391895.png", 391895}});
  // The same number of two years, or in two folders: then by sorted name, whatever the order of the lines.
  const std::map<std::string, std::int64_t> twice{{"000000000042.png", 1},
                                                  {"COCO_val2014_000000000042.png", 2}};
  CHECK(coco_numbers({{"000000000042.png", ""}, {"COCO_val2014_000000000042.png", ""}}) == twice);
  CHECK(coco_numbers({{"COCO_val2014_000000000042.png", ""}, {"000000000042.png", ""}}) == twice);
  CHECK(coco_numbers({{"b/7.png", ""}, {"a/7.png", ""}, {"a/7.png", ""}}) ==
        std::map<std::string, std::int64_t>{{"a/7.png", 1}, {"b/7.png", 2}});
  // Numbered and not.
  CHECK(coco_numbers({{"cat.png", ""}, {"000000000002.png", ""}}) ==
        std::map<std::string, std::int64_t>{{"000000000002.png", 1}, {"cat.png", 2}});
  // Lines that bring their own: image_id first, then id.
  CHECK(coco_numbers({{"cat.png", ",\"image_id\":2"}, {"000000000002.png", ""}}) ==
        std::map<std::string, std::int64_t>{{"000000000002.png", 1}, {"cat.png", 2}});
  CHECK(coco_numbers({{"cat.png", ",\"id\":11"}, {"dog.png", ",\"id\":10"}}) ==
        std::map<std::string, std::int64_t>{{"cat.png", 11}, {"dog.png", 10}});
  CHECK(coco_numbers({{"cat.png", ",\"id\":11"}, {"dog.png", ",\"id\":11"}}) ==
        std::map<std::string, std::int64_t>{{"cat.png", 1}, {"dog.png", 2}});
}

TEST_CASE(
    "batch coco: numbers of categories from the lines, else by sorted name; two of one number are refused") {
  TemporaryDirectory here;
  const std::string in = here / "in.jsonl", out = here / "out.json";
  const auto ask = [](const char* picture, const std::string& more) {
    return "{\"image\":\"" + image(picture) + "\"," + more + "}";
  };
  const auto numbers = [&](const std::vector<std::string>& lines) {
    write(in, lines);
    succeed(batch_program(in, out, {"--format", "coco", "--force"}));
    read_back("coco", out + ".jsonl", out);
    simdjson::dom::parser parser;
    const simdjson::dom::element all = numbers_of(parser, out);
    return std::pair{number_of(all, "categories", "ring"), number_of(all, "categories", "star")};
  };
  CHECK(numbers({ask("shapes.png", "\"query\":\"star</c>ring\"")}) ==
        std::pair<std::int64_t, std::int64_t>{1, 2});
  CHECK(
      numbers({ask("shapes.png", "\"query\":\"star</c>ring\",\"category_ids\":{\"ring\":90,\"star\":4}")}) ==
      std::pair<std::int64_t, std::int64_t>{90, 4});
  CHECK(numbers({ask("shapes.png", "\"query\":\"ring\",\"category_id\":2"),
                 ask("crowd.png", "\"query\":\"star\"")}) == std::pair<std::int64_t, std::int64_t>{2, 1});
  const auto refused = [&](const std::vector<std::string>& lines) {
    write(in, lines);
    const Outcome outcome = run(batch_program(in, out, {"--format", "coco", "--force"}));
    CHECK(outcome.status == 1);
    return outcome.last_error();
  };
  CHECK(refused({ask("shapes.png", "\"query\":\"ring\",\"image_id\":5"),
                 ask("crowd.png", "\"query\":\"ring\",\"image_id\":5")}) ==
        "batch: --format coco: line 2: image_id 5 for " + image("crowd.png") + ", which " +
            image("shapes.png") + " has already");
  CHECK(refused({ask("shapes.png", "\"query\":\"ring\",\"category_id\":5"),
                 ask("crowd.png", "\"query\":\"star\",\"category_id\":5")}) ==
        "batch: --format coco: line 2: category_id 5 for star, which ring has already");
  CHECK(refused({ask("shapes.png", "\"query\":\"ring\",\"category_ids\":{\"ring\":\"x\"}")}) ==
        "batch: --format coco: line 1: category_ids: expected numbers, found \"x\"");
}

TEST_CASE("batch coco: a drawn data set, its results read by pycocotools, and the same mAP as by our own") {
  TemporaryDirectory here;
  // As in COCO: ids with holes, names of both years.
  const std::int64_t ids[] = {1, 2, 7, 13, 27, 44, 62, 90};
  std::string images, annotations, categories;
  const auto add = [](std::string& list, const std::string& entry) {
    list += (list.empty() ? "" : ",") + entry;
  };
  for (std::size_t i = 0; i < scenes::kShapeNames.size(); ++i)
    add(categories,
        "{\"id\":" + std::to_string(ids[i]) + ",\"name\":\"" + std::string(scenes::kShapeNames[i]) + "\"}");
  int things = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const scenes::Scene scene = scenes::draw_scene(seed);
    const std::string number = std::to_string(1'000'000'000'000 + seed * seed * 97).substr(1);
    const std::string name = (seed % 2 ? "COCO_val2014_" : "") + number + ".png";
    write_png(here / name, scenes::render(scene, seed));
    add(images, "{\"id\":" + std::to_string(seed * seed * 97) + ",\"file_name\":\"" + name + "\"}");
    for (const scenes::Thing& thing : scene.things) {
      const auto [x1, y1, x2, y2] = thing.box();
      const std::string w = std::to_string(x2 - x1), h = std::to_string(y2 - y1);
      add(annotations,
          "{\"id\":" + std::to_string(++things) + ",\"image_id\":" + std::to_string(seed * seed * 97) +
              ",\"category_id\":" + std::to_string(ids[std::size_t(thing.shape)]) +
              ",\"iscrowd\":0,\"area\":" + std::to_string((x2 - x1) * (y2 - y1)) + ",\"bbox\":[" +
              std::to_string(x1) + "," + std::to_string(y1) + "," + w + "," + h + "]}");
    }
  }
  const std::string truth = here / "instances.json", results = here / "results.json";
  write(truth, {"{\"images\":[" + images + "],\"annotations\":[" + annotations + "],\"categories\":[" +
                categories + "]}"});
  succeed({{LA_BUILD_ROOT "/examples/batch", "--model-dir", source("data/shapes"), "--coco-annotations",
            truth, "--format", "coco", "--out", results}});
  read_back("coco", results + ".jsonl", results);
  Program score{{"/usr/bin/env", "python3", source("tests/cli/coco_map.py"), truth, results}};
  if (const char* path = std::getenv("PYTHONPATH")) score.environment["PYTHONPATH"] = path;
  const std::string figures = succeed(score).out;
  MESSAGE(figures);
  REQUIRE(figures.find("own AP ") == 0);
  CHECK(std::stod(figures.substr(7)) >
        0.5);  // a model that finds things; a swap of two categories would halve it
}

}  // namespace la::test
