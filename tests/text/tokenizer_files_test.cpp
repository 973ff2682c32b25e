#include <la/core/error.hpp>
#include <la/text/tokenizer.hpp>
#include <la/text/unicode.hpp>

#include <filesystem>
#include <map>
#include <span>
#include <vector>

#include "../support.hpp"

namespace {

using Ids = std::vector<std::int32_t>;

/// The members of a vocabulary of all bytes, id = byte.
std::string bytes_json() {
  std::string text;
  for (int byte = 0, next = 0x100; byte < 256; ++byte) {
    const bool prints = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    const auto code = char32_t(prints ? byte : next++);
    text += byte ? ",\"" : "\"";
    if (code == U'"' || code == U'\\') text += '\\';
    la::append_utf8(text, code);
    text += "\":" + std::to_string(byte);
  }
  return text;
}

/// A checkpoint directory with tokenizer files that a test writes.
class Checkpoint {
 public:
  Checkpoint() { write("tokenizer_config.json", R"({"model_max_length": 77})"); }

  Checkpoint& write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name, std::ios::binary) << text;
    return *this;
  }
  /// vocab.json of the bytes and more, and merges.txt.
  Checkpoint& separate(const std::string& more, const std::string& merges) {
    return write("vocab.json", "{" + bytes_json() + more + "}").write("merges.txt", merges);
  }
  /// tokenizer.json of the bytes and more.
  Checkpoint& whole(const std::string& more, const std::string& merges, const std::string& rest = "") {
    return write("tokenizer.json", R"({"model":{"type":"BPE","vocab":{)" + bytes_json() + more +
                                       R"(},"merges":)" + merges + "}" + rest + "}");
  }
  std::string path(const std::string& name) const { return directory_ / name; }
  la::Tokenizer load() const { return la::Tokenizer::load(directory_.str()); }
  /// The same files in memory, but for one.
  la::Tokenizer load_buffers(const std::string& without = "") const {
    std::map<std::string, std::string> texts;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.str()))
      texts[entry.path().filename().string()] = la::test::read_file(entry.path().string());
    std::vector<la::NamedBuffer> buffers;
    for (const auto& [name, text] : texts)
      if (name != without) buffers.push_back({name, std::as_bytes(std::span(text))});
    return la::Tokenizer::load(la::CheckpointFiles::from_memory(buffers));
  }

  /// The message of the error without the directory.
  std::string error() const {
    try {
      load();
    } catch (const la::Error& error) {
      const std::string message = error.what();
      CHECK_MESSAGE(message.starts_with(directory_.str()), message);
      return message.substr(std::min(message.size(), directory_.str().size() + 1));
    }
    return "no error";
  }

 private:
  la::test::TemporaryDirectory directory_;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

}  // namespace

TEST_CASE("tokenizer files: merges as text, pairs and lines mean the same") {
  const std::string more = R"(,"ab":256,"abc":257)";
  for (const std::string merges :
       {R"(["a b","ab c"])", R"([["a","b"],["ab","c"]])", R"([["a","b"],"ab c"])"}) {
    CHECK(Checkpoint().whole(more, merges).load().encode("abcab") == Ids{257, 256});
  }
  for (const std::string merges :
       {"#version: 0.2\na b\nab c\n", "a b\nab c", "#version: 0.2\r\na b\r\nab c\r\n\n"}) {
    CHECK(Checkpoint().separate(more, merges).load().encode("abcab") == Ids{257, 256});
  }
}

TEST_CASE("tokenizer files: lines of merges.txt that start with # are merges") {
  const auto tokenizer = Checkpoint().separate(R"(,"##":256,"#a":257)", "#version: 0.2\n# #\n# a\n").load();
  CHECK(tokenizer.encode("##") == Ids{256});
  CHECK(tokenizer.encode_literal("#a") == Ids{257});
  const auto first = Checkpoint().separate(R"(,"##":256)", "# #\n").load();
  CHECK(first.encode("##") == Ids{256});
}

TEST_CASE("tokenizer files: tokenizer.json wins, tokenizer_config.json still bounds the length") {
  Checkpoint files;
  files.separate(R"(,"ab":256)", "a b\n").whole(R"(,"bc":256)", R"(["b c"])");
  CHECK(files.load().encode("abc") == Ids{'a', 256});
  CHECK(files.load().model_max_length() == 77);
}

TEST_CASE("tokenizer files: added tokens of every form") {
  Checkpoint map;
  map.separate("", "").write("added_tokens.json", R"({"<x>":300,"<xy>":301})");
  CHECK(map.load().encode("<x><xy>") == Ids{300, 301});
  CHECK(map.load().vocabulary_size() == 302);
  CHECK(map.load().token_text(299).empty());  // a hole

  Checkpoint decoder;
  decoder.separate("", "").write("tokenizer_config.json", R"({"added_tokens_decoder":{"300":{"content":"<x>",
      "lstrip":false,"special":true},"301":{"special":false,"content":"\u00e9!"}},"model_max_length":5,"bos_token":null})");
  CHECK(decoder.load().encode("é!<x>") == Ids{301, 300});
  CHECK(decoder.load().model_max_length() == 5);
  decoder.write("added_tokens.json", R"({"<x>":300})");  // the same again
  CHECK(decoder.load().encode("<x>") == Ids{300});

  Checkpoint list;
  list.whole(R"(,"<x>":256)", "[]",
             R"(,"added_tokens":[{"id":256,"content":"<x>","normalized":false},{"id":400,"content":"a b"}])");
  CHECK(list.load().encode("<x>a b") == Ids{256, 400});
  CHECK(list.load().decode(Ids{256, 400}) == "<x>a b");
}

TEST_CASE("tokenizer files: the longest added token wins in a text") {
  Checkpoint files;
  files.separate("", "").write("added_tokens.json", R"({"<1":300,"<1>":301,"<1><2>":302,"2":303})");
  const auto tokenizer = files.load();
  CHECK(tokenizer.encode("<1><2>") == Ids{302});
  CHECK(tokenizer.encode("<1><3>") == Ids{301, '<', '3', '>'});
  CHECK(tokenizer.encode("<12") == Ids{300, 303});
}

TEST_CASE("tokenizer files: model_max_length") {
  const auto length = [](const std::string& config) {
    Checkpoint files;
    files.separate("", "").write("tokenizer_config.json", config);
    return files.load().model_max_length();
  };
  CHECK(length(R"({"model_max_length": 1000000000000000019884624838656})") == 2147483647);
  CHECK(length(R"({"model_max_length": 1e30, "x": {"y": []}})") == 2147483647);
  CHECK(length(R"({"a": [1], "model_max_length": 1})") == 1);

  const auto error = [](const std::string& config) {
    Checkpoint files;
    return files.separate("", "").write("tokenizer_config.json", config).error();
  };
  CHECK(has(error("{}"), "tokenizer_config.json: model_max_length: expected a number"));
  CHECK(has(error(R"({"model_max_length":"16"})"),
            "tokenizer_config.json: model_max_length: expected a number"));
  CHECK(has(error(R"({"model_max_length":0})"), "model_max_length: expected a whole number >= 1, found 0"));
  CHECK(has(error(R"({"model_max_length":-3})"), "found -3"));
  CHECK(has(error(R"({"model_max_length":2.5})"), "found 2.5"));
  CHECK(has(error(R"({"model_max_length":null})"), "model_max_length: expected a number"));
  for (const std::string config : {"", "[]", "{\"model_max_length\"", "{", "nonsense", "\xff"}) {
    CHECK(error(config).starts_with("tokenizer_config.json: "));
  }
}

TEST_CASE("tokenizer files: a missing file is named") {
  CHECK(has(Checkpoint().error(), "expected tokenizer.json, or vocab.json and merges.txt, found neither"));
  Checkpoint files;
  files.write("vocab.json", "{" + bytes_json() + "}");
  CHECK(files.error().starts_with("merges.txt: "));
  la::test::TemporaryDirectory empty;
  std::ofstream(empty / "tokenizer.json") << R"({"model":{"vocab":{)" + bytes_json() + R"(},"merges":[]}})";
  CHECK_THROWS_WITH_AS(la::Tokenizer::load(empty.str()), doctest::Contains("tokenizer_config.json"),
                       la::Error);
}

TEST_CASE("tokenizer files: damaged ids and texts are refused by name") {
  const auto vocabulary = [](const std::string& more) { return Checkpoint().separate(more, "").error(); };
  CHECK(has(vocabulary(R"(,"ab":-1)"), "vocab.json: ab: expected an integer in [0, 4194303], found -1"));
  CHECK(has(vocabulary(R"(,"ab":4194304)"), "found 4194304"));
  CHECK(has(vocabulary(R"(,"ab":18446744073709551615)"), "vocab.json: ab: expected an integer"));
  CHECK(has(vocabulary(R"(,"ab":1.5)"), "vocab.json: ab: expected an integer in [0, 4194303], found 1.5"));
  CHECK(has(vocabulary(R"(,"ab":"7")"), "vocab.json: ab: expected an integer in [0, 4194303], found \"7\""));
  CHECK(vocabulary(R"(,"ab":97)") == "vocab.json: token \"ab\": id 97 is that of \"a\" already");
  CHECK(vocabulary(R"(,"a":300)") == "vocab.json: token \"a\": occurs twice");
  CHECK(vocabulary(R"(,"":300)") == "vocab.json: token 300: expected a text, found none");
  CHECK(has(vocabulary(","), "vocab.json: not valid JSON"));
  CHECK(has(Checkpoint().write("vocab.json", "[]").error(), "vocab.json: expected an object"));
  CHECK(has(Checkpoint().write("vocab.json", "").error(), "vocab.json: not valid JSON"));
  CHECK(has(Checkpoint().write("vocab.json", "{}").write("merges.txt", "").error(),
            "vocab.json: expected a token \"Ā\" for the byte 0, found none"));
}

TEST_CASE("tokenizer files: damaged merges are refused by name") {
  const auto lines = [](const std::string& merges) {
    return Checkpoint().separate(R"(,"ab":256)", merges).error();
  };
  CHECK(has(lines("#version: 0.2\na b\nb c\n"), "merges.txt: merge 1 \"b c\": no token \"bc\" in"));
  CHECK(has(lines("a b c\n"), "merges.txt: merge 0 \"a b c\": expected two tokens with a blank between"));
  CHECK(has(lines("ab\n"), "expected two tokens"));
  CHECK(has(lines(" ab\n"), "expected two tokens"));
  CHECK(has(lines("a \n"), "expected two tokens"));
  CHECK(has(lines("a b\na b\n"), "merge 1 \"a b\": occurs before as merge 0"));
  const auto list = [](const std::string& merges) {
    return Checkpoint().whole(R"(,"ab":256)", merges).error();
  };
  for (const std::string merges : {R"([["a"]])", R"([["a","b","c"]])", "[1]", R"([["a",1]])"}) {
    CHECK(has(list(merges), "tokenizer.json: merge 0: expected \"a b\" or [\"a\", \"b\"], found "));
  }
  CHECK(has(list("{}"), "tokenizer.json: model.merges: expected an array, found an object"));
  CHECK(has(list("null"), "model.merges: expected an array"));
  CHECK(has(list(R"(["a zz"])"), "merge 0 \"a zz\": no token \"zz\""));
}

TEST_CASE("tokenizer files: damaged added tokens are refused by name") {
  const auto list = [](const std::string& tokens) {
    return Checkpoint().whole("", "[]", R"(,"added_tokens":)" + tokens).error();
  };
  CHECK(has(list("{}"), "tokenizer.json: added_tokens: expected an array"));
  CHECK(has(list("[1]"), "added_tokens[0]: expected an object"));
  CHECK(has(list(R"([{"content":"<x>"}])"), "added_tokens[0].id is missing"));
  CHECK(has(list(R"([{"content":"<x>","id":-5}])"),
            "added_tokens[0].id: expected an integer in [0, 4194303], found -5"));
  CHECK(has(list(R"([{"content":"","id":300}])"), "added token 300: expected a text, found none"));
  CHECK(has(list(R"([{"content":"<x>","id":97}])"), "added token \"<x>\": id 97 is that of \"a\" already"));
  CHECK(has(list(R"([{"content":"<x>","id":300},{"content":"<x>","id":301}])"),
            "added token \"<x>\": expected id 300 as before, found 301"));
  CHECK(has(list(R"([{"content":"<x>","id":300},{"content":"<y>","id":300}])"),
            "added token \"<y>\": id 300 is that of \"<x>\" already"));
  CHECK(has(list(R"([{"content":"<x>","id":300,"lstrip":true}])"),
            "added token \"<x>\": expected \"lstrip\" to be false"));
  CHECK(has(list(R"([{"content":"<x>","id":300,"single_word":1}])"),
            "added_tokens[0].single_word: expected true or false, found 1"));

  const auto decoder = [](const std::string& tokens) {
    Checkpoint files;
    return files.separate("", "")
        .write("tokenizer_config.json", R"({"model_max_length":9,"added_tokens_decoder":)" + tokens + "}")
        .error();
  };
  CHECK(has(decoder("[]"), "tokenizer_config.json: added_tokens_decoder: expected an object"));
  CHECK(
      has(decoder(R"({"x":{"content":"<x>"}})"), "added_tokens_decoder: expected an id as key, found \"x\""));
  CHECK(has(decoder(R"({"-1":{"content":"<x>"}})"), "expected an id from 0"));
  CHECK(has(decoder(R"({"300":"<x>"})"), "added_tokens_decoder: 300: expected an object"));
  CHECK(has(decoder(R"({"300":{}})"), "added_tokens_decoder: 300: content: expected a string"));
  CHECK(has(decoder(R"({"300":{"content":"<x>","rstrip":true}})"),
            "added token \"<x>\": expected \"rstrip\" to be false"));
  CHECK(has(decoder(R"({"300":{"content":"<x>")"), "tokenizer_config.json: "));
}

TEST_CASE("tokenizer files: rules that are not implemented are refused") {
  const auto with = [](const std::string& rest) { return Checkpoint().whole("", "[]", rest).error(); };
  CHECK(with(R"(,"normalizer":{"type":"NFC"})") == "no error");
  CHECK(has(with(R"(,"normalizer":{"type":"NFKC"})"), "normalizer: expected NFC, found {\"type\":\"NFKC\"}"));
  CHECK(has(with(R"(,"normalizer":null)"), "normalizer: expected NFC, found null"));
  CHECK(has(with(R"(,"pre_tokenizer":{"type":"ByteLevel"})"), "pre_tokenizer: expected a split by"));
  const auto model = [](const std::string& more) {
    return Checkpoint()
        .write("tokenizer.json", R"({"model":{"vocab":{)" + bytes_json() + R"(},"merges":[])" + more + "}}")
        .error();
  };
  CHECK(model(R"(,"ignore_merges":false,"byte_fallback":false,"end_of_word_suffix":null)") == "no error");
  CHECK(has(model(R"(,"type":"Unigram")"), "model.type: expected BPE, found \"Unigram\""));
  CHECK(has(model(R"(,"ignore_merges":true)"), "model.ignore_merges: expected false"));
  CHECK(has(model(R"(,"end_of_word_suffix":"</w>")"), "model.end_of_word_suffix: expected none"));
  CHECK(has(Checkpoint().write("tokenizer.json", "[]").error(), "tokenizer.json: expected an object"));
  CHECK(has(Checkpoint().write("tokenizer.json", "{\"model\":{\"vocab\":[]}}").error(),
            "model.vocab: expected an object"));
}

TEST_CASE("tokenizer files: depth bombs are refused, in every file") {
  const std::string bomb = R"({"x":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
  CHECK(has(Checkpoint().write("tokenizer.json", bomb).error(), "tokenizer.json: not valid JSON"));
  CHECK(has(Checkpoint().write("vocab.json", bomb).write("merges.txt", "").error(),
            "vocab.json: not valid JSON"));
  CHECK(has(Checkpoint().separate("", "").write("added_tokens.json", bomb).error(),
            "added_tokens.json: not valid JSON"));
  CHECK(Checkpoint()
            .separate("", "")
            .write("tokenizer_config.json", bomb)
            .error()
            .starts_with("tokenizer_config.json: "));
}

TEST_CASE("tokenizer files: long texts are refused in short, or are tokens like any other") {
  const std::string long_text(10'000'000, 'x');
  const std::string merge = Checkpoint().separate("", long_text + " y\n").error();
  CHECK(merge.starts_with("merges.txt: merge 0 \"xxx"));
  CHECK(has(merge, "no token \""));
  CHECK(merge.size() < 4096);
  Checkpoint large;
  std::filesystem::resize_file(large.separate("", "").path("merges.txt"), 100'000'000);
  CHECK(has(large.error(), "merges.txt: expected at most 67108864 bytes, found 100000000"));
  const std::string damaged = Checkpoint().separate(",\"" + long_text + "\":-1", "").error();
  CHECK(has(damaged, "expected an integer in [0, 4194303], found -1"));
  CHECK(damaged.size() < 4096);
  Checkpoint added;
  added.separate("", "").write("added_tokens.json", "{\"" + long_text + "\":300}");
  const auto tokenizer = added.load();
  CHECK(tokenizer.encode("xxx") == Ids{'x', 'x', 'x'});
  CHECK(tokenizer.encode(long_text) == Ids{300});
}

TEST_CASE("tokenizer files: the largest id is no allocation beyond its limit") {
  Checkpoint files;
  files.separate("", "").write("added_tokens.json", R"({"<x>":4194303})");
  CHECK(files.load().vocabulary_size() == 4194304);
  files.write("added_tokens.json", R"({"<x>":4194304})");
  CHECK(has(files.error(), "expected an integer in [0, 4194303], found 4194304"));
  files.write("added_tokens.json", "{}")
      .write("tokenizer_config.json",
             R"({"model_max_length":9,"added_tokens_decoder":{"4194304":{"content":"<x>"}}})");
  CHECK(has(files.error(), "expected an id from 0 to 4194303, found 4194304"));
}

TEST_CASE("tokenizer files: separate ones in memory") {
  Checkpoint files;
  files.separate(R"(,"ab":256)", "#version: 0.2\na b\n").write("added_tokens.json", R"({"<extra>": 300})");
  const la::Tokenizer tokenizer = files.load_buffers();
  CHECK(tokenizer.encode("ab<extra>ba") == Ids{256, 300, 'b', 'a'});
  CHECK(tokenizer.encode("ab<extra>ba") == files.load().encode("ab<extra>ba"));
  CHECK(tokenizer.model_max_length() == 77);
  CHECK(files.load_buffers("added_tokens.json").encode("ab") == Ids{256});
  for (const char* name : {"merges.txt", "tokenizer_config.json"})
    CHECK_THROWS_WITH_AS(
        files.load_buffers(name),
        (std::string("buffer ") + name + ": expected a buffer of this name, found none").c_str(), la::Error);
}
