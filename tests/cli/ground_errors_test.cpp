#include "ground_answer.hpp"

using namespace la::test;

namespace {

/// One line on stderr that begins with the program's name and has every part; nothing on stdout.
void check_failure(const Outcome& outcome, int status, const std::vector<std::string>& parts) {
  INFO(outcome.err);
  CHECK(outcome.status == status);
  CHECK(outcome.out.empty());
  const std::string line = outcome.last_error();
  CHECK(line.find("ground: ") == 0);
  for (const std::string& part : parts) CHECK_MESSAGE(line.find(part) != std::string::npos, part);
}

void check_usage(std::vector<std::string> arguments, const std::vector<std::string>& parts) {
  check_failure(ground(std::move(arguments)), 2, parts);
}

/// A copy of the bundled checkpoint to be broken.
class Checkpoint {
 public:
  Checkpoint() { std::filesystem::copy(source("data/shapes"), path_.str()); }

  std::string path() const { return path_.str(); }
  std::string operator/(const std::string& name) const { return path_ / name; }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }
  /// Replaces the first `from` by `to`, which is as long.
  void replace(const std::string& name, const std::string& from, const std::string& to) const {
    std::string bytes = read_file(path_ / name);
    const std::size_t at = bytes.find(from);
    REQUIRE_MESSAGE(at != std::string::npos, from);
    write(name, bytes.replace(at, from.size(), to));
  }
  /// Both --dry and a real run must refuse it.
  void check_refused(const std::vector<std::string>& parts) const {
    check_failure(ground({"--model-dir", path()}), 1, parts);
    check_failure(ground({"--model-dir", path(), "--dry"}), 1, parts);
  }

 private:
  TemporaryDirectory path_;
};

void check_image_refused(const std::string& bytes, const std::string& reason) {
  TemporaryDirectory here;
  const std::string path = here / "picture";
  std::ofstream(path, std::ios::binary) << bytes;
  check_failure(ground({"--image", path}), 1, {path, reason});
  Program program = ground_program({"--image", "-"});
  program.input = bytes;
  check_failure(run(program), 1, {"stdin", reason});
}

}  // namespace

TEST_CASE("ground errors: wrong usage is told by the flag's name") {
  check_usage({"--nonsense"}, {"--nonsense", "unknown flag"});
  check_usage({"photo.jpg"}, {"photo.jpg", "expected a flag"});
  check_usage({"--image"}, {"--image", "PATH"});
  check_usage({"--phrase", "--json"}, {"--phrase", "TEXT", "--json"});
  check_usage({"--image="}, {"--image", "nothing"});
  check_usage({"--phrase", ""}, {"--phrase", "nothing"});
  check_usage({"--json=yes"}, {"--json", "'yes'"});
  check_usage({"--threads", "0"}, {"--threads", "from 1", "'0'"});
  check_usage({"--threads", "two"}, {"--threads", "'two'"});
  check_usage({"--threads", "2x"}, {"--threads", "'2x'"});
  check_usage({"--threads", "99999999999999999999"}, {"--threads", "99999999999999999999"});
  check_usage({"--max-tokens", "0"}, {"--max-tokens", "'0'"});
  check_usage({"--max-tokens", "-1"}, {"--max-tokens", "'-1'"});
  check_usage({"--temperature", "-0.1"}, {"--temperature", "'-0.1'"});
  check_usage({"--temperature", "nan"}, {"--temperature", "'nan'"});
  check_usage({"--temperature", "inf"}, {"--temperature", "'inf'"});
  check_usage({"--top-p", "1.5"}, {"--top-p", "'1.5'"});
  check_usage({"--top-p", "-1"}, {"--top-p", "'-1'"});
  check_usage({"--top-k", "1.5"}, {"--top-k", "'1.5'"});
  check_usage({"--repetition-penalty", "0"}, {"--repetition-penalty", "'0'"});
  check_usage({"--seed", "-1"}, {"--seed", "'-1'"});
  check_usage({"--max-image-side", "0"}, {"--max-image-side", "'0'"});
  check_usage({"--task", "dance"}, {"task", "dance", "ground-single"});
  check_usage({"--prompt-style", "poem"}, {"prompt style", "poem", "processor"});
  check_usage({"--generation-mode", "quick"}, {"--generation-mode", "'quick'", "hybrid"});
  check_usage({"--stop", "never"}, {"--stop", "'never'", "guarded"});
  check_usage({"--weights", "q3"}, {"--weights", "'q3'"});
  check_usage({"--activations", "q3"}, {"--activations", "'q3'"});
  check_usage({"--device", "abacus"}, {"--device", "'abacus'"});
  check_usage({"--isa", "sse9"}, {"--isa", "'sse9'", "scalar"});
  check_usage({"--backend", "oracle"}, {"--backend", "'oracle'"});
  check_usage({"--model-id", "no-slash"}, {"model id", "no-slash"});
  check_usage({"--model-id", "../../etc/x"}, {"model id", "../../etc/x"});
}

TEST_CASE("ground errors: a flag of one value that is given twice") {
  for (const auto& [flag, value] : {std::pair{"--image", "a.png"},
                                    {"--task", "detect"},
                                    {"--categories", "a"},
                                    {"--query", "a"},
                                    {"--annotate", "a.png"}})
    check_usage({flag, value, flag, value}, {flag, "expected once, found again"});
  check_usage({"--image=a.png", "--image", "a.png"}, {"--image", "once"});
}

TEST_CASE("ground errors: flags that contradict each other") {
  check_usage({"--query", "a", "--phrase", "b"}, {"--query", "--phrase"});
  check_usage({"--query", "a", "--task", "point"}, {"--query", "--task"});
  check_usage({"--query", "a", "--categories", "b"}, {"--query", "--categories"});
  check_usage({"--categories", "a", "--phrase", "b"}, {"--categories", "--phrase"});
  check_usage({"--categories", "a", "--task", "point"}, {"--categories", "point"});
  check_usage({"--categories", " , "}, {"categories"});
  check_usage({"--task", "detect-text", "--phrase", "a"}, {"--phrase", "detect-text"});
}

TEST_CASE("ground errors: a question longer than the model's sequence") {
  std::string phrase;
  for (int i = 0; i < 4000; ++i) phrase += "circle ";
  check_usage({"--phrase", phrase}, {"2048"});
}

TEST_CASE("ground errors: a question that spells the token of the picture's rows") {
  check_usage({"--phrase", "<IMG_CONTEXT>"}, {"<IMG_CONTEXT>"});
  check_usage({"--query", "<image-2>"}, {"<image-2>"});
}

TEST_CASE("ground errors: pictures") {
  check_failure(ground({"--image", "/no/such/picture.png"}), 1, {"/no/such/picture.png", "No such file"});
  check_failure(ground({"--image", source("data")}), 1, {source("data")});
  check_image_refused("", "empty");
  check_image_refused("just words", "expected a picture (JPEG, PNG, BMP");
  check_image_refused("just words", "found text");
  const std::string png = read_file(source("data/pictures/letters.png"));
  check_image_refused(png.substr(0, png.size() / 2), "truncated");
  std::string zero = png;
  constexpr std::size_t kWidth = 16;  // in the IHDR chunk
  zero.replace(kWidth, 4, 4, '\0');
  check_image_refused(zero, "expected a picture, found 0x");
  const std::string jpeg = read_file(source("data/pictures/turned.jpg"));
  check_image_refused(jpeg.substr(0, jpeg.size() / 2), "truncated");
}

TEST_CASE("ground errors: what is not weights is told") {
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n";
  for (const char* file : {"model.safetensors", "tokenizer.json", "config.json"}) {
    Checkpoint broken;
    broken.write(file, pointer);
    broken.check_refused(
        {broken / file, "a Git LFS pointer in place of the file, which `git lfs pull` fetches"});
  }
  {
    Checkpoint broken;
    std::filesystem::resize_file(broken / "model.safetensors", 3000000);
    broken.check_refused(
        {broken / "model.safetensors", "the file is cut short, as by an unfinished download"});
    std::filesystem::resize_file(broken / "model.safetensors", 100);
    broken.check_refused(
        {broken / "model.safetensors", "the file is cut short, as by an unfinished download"});
  }
  for (const auto& [file, reason] : {std::pair{"model-q4_k_m.gguf", "a GGUF file, which la does not read"},
                                     {"adapter_config.json", "a LoRA adapter, which is no model"}}) {
    TemporaryDirectory folder;
    std::ofstream(folder / file) << "x";
    check_failure(ground({"--model-dir", folder.str()}), 1,
                  {folder / "config.json", "No such file", "found " + std::string(file), reason});
    check_failure(ground({"--model-dir", folder / file}), 1,
                  {folder / file, "expected a checkpoint directory"});
  }
}

TEST_CASE("ground errors: the folder of a model in the Hugging Face cache is taken") {
  TemporaryDirectory cache;
  const std::string folder = cache / "models--org--name";
  std::filesystem::create_directories(folder + "/snapshots");
  std::filesystem::copy(source("data/shapes"), folder + "/snapshots/abc");
  CHECK(ground({"--model-dir", folder, "--dry"}).status == 0);
}

TEST_CASE("ground errors: checkpoints") {
  check_failure(ground({"--model-dir", "/no/such/model"}), 1, {"/no/such/model", "directory"});
  check_failure(ground({"--model-dir", source("LICENSE")}), 1, {"LICENSE", "directory"});
  {
    TemporaryDirectory empty;
    check_failure(ground({"--model-dir", empty.str()}), 1, {empty / "config.json"});
  }
  {
    Checkpoint broken;
    std::filesystem::resize_file(broken / "model.safetensors", 3000000);
    broken.check_refused({broken / "model.safetensors"});
    std::filesystem::resize_file(broken / "model.safetensors", 100);
    broken.check_refused({broken / "model.safetensors"});
    std::filesystem::resize_file(broken / "model.safetensors", 0);
    broken.check_refused({broken / "model.safetensors"});
    std::filesystem::remove(broken / "model.safetensors");
    broken.check_refused({broken.path(), "safetensors"});
  }
  {
    Checkpoint broken;
    broken.replace("model.safetensors", "[192, 512]", "[512, 192]");
    broken.check_refused({"mlp1.1.weight", "[192, 512]", "[512, 192]"});
  }
  {
    Checkpoint broken;
    broken.replace("model.safetensors", "\"BF16\"", "\"XY16\"");
    broken.check_refused({broken / "model.safetensors", "XY16", "vision_model.patch_embed.proj.weight"});
  }
  {
    Checkpoint broken;
    broken.replace("model.safetensors", "patch_embed.proj.bias", "patch_embed.proj.bibs");
    broken.check_refused({"vision_model.patch_embed.proj.bias"});
  }
  {
    Checkpoint broken;
    broken.write("config.json", "{\"text_config\": {");
    broken.check_refused({broken / "config.json"});
    broken.write("config.json", "{}");
    broken.check_refused({broken / "config.json"});
    broken.write("config.json", "");
    broken.check_refused({broken / "config.json"});
  }
  for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
    Checkpoint broken;
    broken.write(file, "[1, 2");
    broken.check_refused({broken / file});
  }
}

TEST_CASE("ground errors: a picture that cannot be drawn is told before the question is asked") {
  TemporaryDirectory here;
  check_failure(ground({"--annotate", here / "no/such/out.png"}), 1, {here / "no/such", "directory"});
  check_failure(ground({"--annotate", here.str()}), 1, {here.str(), "directory"});
}

TEST_CASE("ground errors: the drawing never replaces the picture") {
  TemporaryDirectory here;
  const std::string image = here / "photo.png", original = read_file(source("data/pictures/shapes.png"));
  std::ofstream(image, std::ios::binary) << original;
  std::filesystem::create_directory(here / "folder");
  std::filesystem::create_hard_link(image, here / "other.png");
  std::filesystem::create_symlink(image, here / "link.png");
  for (const std::string& target :
       {image, here / "folder/../photo.png", here / "other.png", here / "link.png"})
    check_usage({"--image", image, "--annotate", target}, {target, "another file than the picture itself"});
  CHECK(read_file(image) == original);
}

TEST_CASE("ground errors: a drawing's name tells its format") {
  TemporaryDirectory here;
  check_usage({"--annotate", here / "out.gif"}, {here / "out.gif", ".png or .jpg"});
  CHECK(ground({"--annotate", here / "out.jpg"}).status == 0);
  CHECK(read_file(here / "out.jpg").starts_with("\xff\xd8\xff"));
}

TEST_CASE("ground errors: a font that is none, or that nothing is drawn with") {
  TemporaryDirectory here;
  const std::string image = source("data/pictures/shapes.png");
  check_failure(ground({"--annotate", here / "out.png", "--font", image}), 1, {image, "expected a TrueType"});
  check_failure(ground({"--annotate", here / "out.png", "--font", here / "none.ttf"}), 1,
                {here / "none.ttf"});
  check_usage({"--json", "--font", image}, {"--font", "--annotate"});
}

TEST_CASE("ground errors: a drawing that does not reach its disk") {
  const Outcome outcome = ground({"--annotate", "/dev/full"});
  CHECK(outcome.status == 1);
  CHECK(outcome.last_error().find("ground: /dev/full: ") == 0);
}

TEST_CASE("ground errors: results that nobody receives are a failure") {
  for (const char* target : {"/dev/full", "closed"})
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--phrase", "red circle"},
                                                      {"--json"},
                                                      {"--dry"},
                                                      {"--help"},
                                                      {"--version"},
                                                      {"--isa", "list"}}) {
      CAPTURE(target);
      CAPTURE(arguments[0]);
      Program program = ground_program(arguments);
      program.out_path = target;
      check_failure(run(program), 1, {"stdout"});
    }
}

TEST_CASE("ground errors: several questions, the results before a failure stay") {
  std::string phrase;
  for (int i = 0; i < 4000; ++i) phrase += "circle ";
  const Outcome outcome = ground({"--phrase", "red circle", "--phrase", phrase});
  CHECK(outcome.status == 2);
  CHECK(outcome.out.find("red circle: box ") == 0);
}
