#include "../support.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "../../la/core/error.hpp"
#include "../../la/io/hub.hpp"

namespace {

/// Sets the variables that lead to a cache (the others are unset) and puts all back at the end.
class CacheVariables {
 public:
  explicit CacheVariables(const std::vector<std::pair<std::string, std::string>>& values) {
    for (const char* name :
         {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME", "LA_MODEL_DIR"}) {
      const char* old = std::getenv(name);
      old_.emplace_back(name, old ? std::optional<std::string>(old) : std::nullopt);
      ::unsetenv(name);
    }
    for (const auto& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~CacheVariables() {
    for (const auto& [name, value] : old_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> old_;
};

constexpr const char* kFolder = "/models--org--name";

void write_ref(const std::string& cache, const std::string& ref) {
  std::filesystem::create_directories(cache + kFolder + "/refs");
  std::ofstream(cache + kFolder + "/refs/main") << ref;
}

void write_snapshot(const std::string& cache, const std::string& sha) {
  std::filesystem::create_directories(cache + kFolder + "/snapshots/" + sha);
  std::ofstream(cache + kFolder + "/snapshots/" + sha + "/config.json") << "{}";
}

std::string snapshot(const std::string& cache, const std::string& sha) {
  return cache + kFolder + "/snapshots/" + sha;
}

}  // namespace

TEST_CASE("hub: each variable leads to its cache") {
  la::test::TemporaryDirectory root;
  const std::vector<std::pair<std::string, std::string>> places{{"HF_HUB_CACHE", ""},
                                                                {"HUGGINGFACE_HUB_CACHE", ""},
                                                                {"HF_HOME", "/hub"},
                                                                {"XDG_CACHE_HOME", "/huggingface/hub"},
                                                                {"HOME", "/.cache/huggingface/hub"}};
  for (const auto& place : places) {
    const std::string &variable = place.first, &below = place.second;
    CAPTURE(variable);
    const std::string cache = root / variable + below;
    write_ref(cache, "0123abc\n");
    write_snapshot(cache, "0123abc");
    const CacheVariables variables({{variable, root / variable}});
    const auto found = la::find_hub_snapshot("org/name");
    REQUIRE_MESSAGE(found.directory, found.explanation);
    CHECK(std::filesystem::equivalent(*found.directory, snapshot(cache, "0123abc")));
    CHECK(found.explanation.find(*found.directory) != std::string::npos);
  }
}

TEST_CASE("hub: caches are looked at in order, incomplete ones passed over") {
  la::test::TemporaryDirectory root;
  const CacheVariables variables({{"HF_HUB_CACHE", ""},
                                  {"HUGGINGFACE_HUB_CACHE", root / "nothing"},
                                  {"HF_HOME", root / "no-snapshot"},
                                  {"XDG_CACHE_HOME", root / "first"},
                                  {"HOME", root / "second"}});
  write_ref(root / "no-snapshot/hub", "bbb");
  write_ref(root / "second/.cache/huggingface/hub", "ddd");
  write_snapshot(root / "second/.cache/huggingface/hub", "ddd");
  CHECK(la::find_hub_snapshot("org/name").directory ==
        snapshot(root / "second/.cache/huggingface/hub", "ddd"));
  write_ref(root / "first/huggingface/hub", " ccc \n");
  write_snapshot(root / "first/huggingface/hub", "ccc");
  CHECK(la::find_hub_snapshot("org/name").directory == snapshot(root / "first/huggingface/hub", "ccc"));
}

TEST_CASE("hub: what is not there is explained") {
  la::test::TemporaryDirectory root;
  const CacheVariables variables({{"HF_HUB_CACHE", root / "a"}, {"HOME", root / "b"}});
  write_ref(root / "a", "abc");
  const auto found = la::find_hub_snapshot("org/name");
  CHECK_FALSE(found.directory);
  CHECK(found.explanation ==
        "org/name: not whole in the Hugging Face cache; missing: " + snapshot(root / "a", "abc") +
            "/config.json, " + root / "b" + "/.cache/huggingface/hub" + kFolder + "/refs/main");
}

TEST_CASE("hub: a revision is a branch, a tag or a commit, with a ref or by its name") {
  la::test::TemporaryDirectory root;
  const CacheVariables variables({{"HF_HUB_CACHE", root.str()}});
  write_ref(root.str(), "aaa");
  write_snapshot(root.str(), "aaa");
  write_snapshot(root.str(), "bbb");
  std::filesystem::create_directories(root.str() + kFolder + "/refs/refs/pr");
  std::ofstream(root.str() + kFolder + "/refs/refs/pr/1") << "bbb";
  CHECK(la::find_hub_snapshot("org/name").directory == snapshot(root.str(), "aaa"));
  CHECK(la::find_hub_snapshot("org/name@main").directory == snapshot(root.str(), "aaa"));
  CHECK(la::find_hub_snapshot("org/name@bbb").directory == snapshot(root.str(), "bbb"));
  CHECK(la::find_hub_snapshot("org/name@refs/pr/1").directory == snapshot(root.str(), "bbb"));
  CHECK_FALSE(la::find_hub_snapshot("org/name@ccc").directory);
  for (const char* id : {"org/name@", "org/name@../x", "org/name@a b"}) CHECK_FALSE(la::is_model_id(id));
}

TEST_CASE("hub: without refs/main the only snapshot is it, of several one has to be named") {
  la::test::TemporaryDirectory root;
  const CacheVariables variables({{"HF_HUB_CACHE", root.str()}});
  write_snapshot(root.str(), "aaa");
  CHECK(la::find_hub_snapshot("org/name").directory == snapshot(root.str(), "aaa"));
  write_snapshot(root.str(), "bbb");
  CHECK_THROWS_WITH_AS(
      la::find_hub_snapshot("org/name"),
      (root.str() + kFolder +
       "/snapshots: expected a revision, as there is no refs/main, found 2 snapshots: aaa, bbb")
          .c_str(),
      la::Error);
}

TEST_CASE("hub: a tilde in a variable is the home directory") {
  la::test::TemporaryDirectory root;
  const CacheVariables variables({{"HF_HUB_CACHE", "~/cache"}, {"HOME", root.str()}});
  write_ref(root / "cache", "aaa");
  write_snapshot(root / "cache", "aaa");
  CHECK(la::find_hub_snapshot("org/name").directory == snapshot(root / "cache", "aaa"));
}

TEST_CASE("hub: a broken snapshot is an error, never the bundled model") {
  la::test::TemporaryDirectory root;
  const CacheVariables variables({{"HF_HUB_CACHE", root.str()}});
  write_ref(root.str(), "aaa");
  const la::CheckpointRequest request{.model_id = "org/name", .bundled = "bundled"};
  CHECK_THROWS_WITH_AS(la::find_checkpoint_directory(request),
                       ("org/name: not whole in the Hugging Face cache; missing: " +
                        snapshot(root.str(), "aaa") + "/config.json")
                           .c_str(),
                       la::Error);
}

TEST_CASE("hub: what is neither a directory nor a model id is told as such") {
  CHECK_THROWS_WITH_AS(
      la::model_directory("/no/such/directory"),
      "/no/such/directory: expected a directory or a model id, ORG/NAME or ORG/NAME@REVISION: No such "
      "directory",
      la::Error);
}

TEST_CASE("hub: without any variable there is no cache") {
  const CacheVariables variables({});
  CHECK(la::find_hub_snapshot("org/name").explanation.find("HOME is not set") != std::string::npos);
}

TEST_CASE("hub: a refs/main that leads elsewhere is refused") {
  la::test::TemporaryDirectory root;
  const CacheVariables variables({{"HF_HUB_CACHE", root.str()}});
  for (const std::string& ref : {std::string(), std::string(" \n"), std::string("../x"), std::string(".."),
                                 std::string("a/b"), std::string("/etc"), std::string("a b"),
                                 std::string("a\nb"), std::string(300, 'a'), std::string("a\0b", 3)}) {
    CAPTURE(ref);
    write_ref(root.str(), ref);
    std::string message;
    try {
      la::find_hub_snapshot("org/name");
    } catch (const la::Error& error) {
      message = error.what();
    }
    CHECK_MESSAGE(message.find("refs/main: expected the name of a snapshot") != std::string::npos, message);
  }
}

TEST_CASE("hub: a model id must be ORG/NAME") {
  for (const char* id : {"", "name", "/name", "org/", "org/a/b", "../x", "org/..", "org/a--b", "org/.a",
                         "org/a-", "org/a b", "org\\a", "org/n\xc3\xa4me"}) {
    CAPTURE(id);
    try {
      la::find_hub_snapshot(id);
      FAIL("no error");
    } catch (const la::Error& error) {
      CHECK(error.kind() == la::ErrorKind::usage);
      CHECK(std::string(error.what()).find("expected ORG/NAME") != std::string::npos);
    }
  }
}

TEST_CASE("hub: the checkpoint directory is the first of flag, variable, snapshot, bundled") {
  la::test::TemporaryDirectory root;
  const std::string flag = root / "flag", variable = root / "variable";
  std::filesystem::create_directory(flag);
  std::filesystem::create_directory(variable);
  la::CheckpointRequest request{.model_dir = flag, .model_id = "org/name", .bundled = "bundled"};
  write_ref(root.str(), "abc");
  write_snapshot(root.str(), "abc");
  {
    const CacheVariables variables({{"HF_HUB_CACHE", root.str()}, {"LA_MODEL_DIR", variable}});
    CHECK(la::find_checkpoint_directory(request) == flag);
    request.model_dir.clear();
    CHECK(la::find_checkpoint_directory(request) == variable);
  }
  {
    const CacheVariables variables({{"HF_HUB_CACHE", root.str()}});
    CHECK(la::find_checkpoint_directory(request) == snapshot(root.str(), "abc"));
  }
  const CacheVariables variables({{"HF_HUB_CACHE", root / "elsewhere"}});
  CHECK(la::find_checkpoint_directory(request) == "bundled");
  request.bundled.clear();
  CHECK_THROWS_WITH_AS(
      la::find_checkpoint_directory(request),
      ("org/name: not in the Hugging Face cache; missing: " + root / "elsewhere" + kFolder + "/refs/main")
          .c_str(),
      la::Error);
}
