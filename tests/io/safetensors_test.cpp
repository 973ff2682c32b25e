#include "../support.hpp"

#include <cstdint>
#include <cstring>
#include <vector>

#include "../../la/core/error.hpp"
#include "../../la/io/safetensors.hpp"

namespace {

/// A file with this header and that many zero bytes of data.
std::string file_with(const std::string& header, std::size_t data_bytes = 0) {
  const std::uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + std::string(data_bytes, '\0');
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

/// The message of opening this file; it must name the file.
std::string error_of(const std::string& bytes) {
  la::test::TemporaryDirectory directory;
  const std::string path = directory / "bad.safetensors";
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    la::SafetensorsFile::open(path);
  } catch (const la::Error& error) {
    const std::string message = error.what();
    CHECK(message.rfind(path + ": ", 0) == 0);
    CHECK(message.find('\n') == std::string::npos);
    return message.substr(path.size() + 2);
  }
  return "no error";
}

void check_error(const std::string& bytes, const std::string& expected) {
  const std::string message = error_of(bytes);
  CHECK_MESSAGE(message.find(expected) != std::string::npos, message);
}

}  // namespace

TEST_CASE("safetensors: a missing file is named") {
  CHECK_THROWS_WITH_AS(la::SafetensorsFile::open("no/such.safetensors"),
                       "no/such.safetensors: No such file or directory", la::Error);
}

TEST_CASE("safetensors: a file shorter than the header length") {
  check_error("", "expected a header length of 8 bytes, found a file of 0");
  check_error("1234567", "expected a header length of 8 bytes, found a file of 7");
}

TEST_CASE("safetensors: a header length above the limit") {
  check_error(std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10), "at most 100000000 bytes, found 100000001");
  check_error(std::string(8, '\xff') + "{}", "at most 100000000 bytes, found 18446744073709551615");
}

TEST_CASE("safetensors: a header length that overflows when the 8 bytes before it are added") {
  check_error(std::string(1, '\xf8') + std::string(7, '\xff') + "{}", "found 18446744073709551608");
}

TEST_CASE("safetensors: a header of exactly the limit is read, one more byte is not") {
  la::test::TemporaryDirectory directory;
  const std::string path = directory / "long.safetensors";
  const auto write = [&](std::uint64_t length) {
    std::string prefix(8, '\0');
    std::memcpy(prefix.data(), &length, 8);
    std::ofstream(path, std::ios::binary) << prefix << "{}" << std::string(length - 2, ' ');
  };
  write(100'000'000);
  CHECK(la::SafetensorsFile::open(path).tensors().empty());
  write(100'000'001);
  CHECK_THROWS_WITH_AS(la::SafetensorsFile::open(path),
                       (path + ": expected a header of at most 100000000 bytes, found 100000001").c_str(),
                       la::Error);
}

TEST_CASE("safetensors: a header length past the end of the file") {
  check_error(std::string("\x03\0\0\0\0\0\0\0{}", 10), "a header of 3 bytes, found only 2 bytes");
}

TEST_CASE("safetensors: a header that does not start with a brace") {
  check_error(file_with(""), "starts with '{'");
  check_error(file_with(" {}"), "starts with '{'");
  check_error(file_with("[]"), "starts with '{'");
}

TEST_CASE("safetensors: a header that is not UTF-8") {
  check_error(file_with("{\"\xff\":1}"), "expected a JSON object as header: The input is not valid UTF-8");
}

TEST_CASE("safetensors: a header that is not one JSON object") {
  check_error(file_with("{"), "expected a JSON object as header");
  check_error(file_with("{}{}"), "expected a JSON object as header");
  check_error(file_with(R"({"a":NaN})"), "expected a JSON object as header");
  std::string deep = R"({"a":)";
  deep += std::string(100'000, '[') + std::string(100'000, ']') + "}";
  check_error(file_with(deep), "expected a JSON object as header");
}

TEST_CASE("safetensors: a tensor entry of the wrong type") {
  check_error(file_with(R"({"a":[]})"), R"(tensor "a": expected an object)");
  check_error(file_with(R"({"a":{}})"), R"(tensor "a": expected one dtype, found 0)");
  check_error(file_with(R"({"a":{"dtype":"U8"}})"), R"(tensor "a": expected one shape, found 0)");
  check_error(file_with(R"({"a":{"dtype":"U8","shape":[]}})"),
              R"(tensor "a": expected one data_offsets, found 0)");
  check_error(file_with(R"({"a":{"dtype":8,"shape":[],"data_offsets":[0,1]}})", 1),
              "expected a string as dtype");
  check_error(file_with(R"({"a":)" + tensor("U8", "1", "[0,1]") + "}", 1), "expected an array as shape");
  check_error(file_with(R"({"a":)" + tensor("U8", "[-1]", "[0,1]") + "}", 1),
              "non-negative 64-bit integers in shape");
  check_error(file_with(R"({"a":)" + tensor("U8", "[1.0]", "[0,1]") + "}", 1),
              "non-negative 64-bit integers in shape");
  check_error(file_with(R"({"a":)" + tensor("U8", "[1]", "[0]") + "}", 1),
              "expected 2 data_offsets, found 1");
  check_error(file_with(R"({"a":)" + tensor("U8", "[1]", "[0,1,2]") + "}", 1),
              "expected 2 data_offsets, found 3");
  check_error(file_with(R"({"a":)" + tensor("U8", "[1]", R"([0,"1"])") + "}", 1), "integers in data_offsets");
}

TEST_CASE("safetensors: an unknown dtype") {
  check_error(file_with(R"({"a":)" + tensor("F7", "[1]", "[0,1]") + "}", 1),
              R"(tensor "a": unknown dtype "F7")");
  check_error(file_with(R"({"a":)" + tensor("f32", "[1]", "[0,4]") + "}", 4), R"(unknown dtype "f32")");
}

TEST_CASE("safetensors: metadata that is not an object of strings") {
  check_error(file_with(R"({"__metadata__":[]})"), "expected an object as __metadata__");
  check_error(file_with(R"({"__metadata__":{"a":1}})"), R"(expected a string as __metadata__ "a")");
}

TEST_CASE("safetensors: a name that is there twice") {
  const std::string a = R"("a":)" + tensor("U8", "[1]", "[0,1]");
  check_error(file_with("{" + a + "," + a + "}", 1), R"("a" is in the header twice)");
  check_error(file_with("{" + a + R"(,"a":)" + tensor("U8", "[1]", "[1,2]") + "}", 2),
              R"("a" is in the header twice)");
  check_error(file_with(R"({"__metadata__":{},"__metadata__":{}})"),
              R"("__metadata__" is in the header twice)");
  check_error(file_with(R"({"__metadata__":{"k":"1","k":"2"}})"), R"(__metadata__ "k" is there twice)");
  check_error(file_with(R"({"a":{"dtype":"U8","dtype":"I8","shape":[],"data_offsets":[0,1]}})", 1),
              "expected one dtype, found 2");
}

TEST_CASE("safetensors: offsets that leave a gap") {
  check_error(file_with(R"({"a":)" + tensor("U8", "[1]", "[1,2]") + "}", 2),
              R"(tensor "a": expected data_offsets that begin at 0, found 1)");
  check_error(
      file_with(R"({"a":)" + tensor("U8", "[1]", "[0,1]") + R"(,"b":)" + tensor("U8", "[1]", "[2,3]") + "}",
                3),
      R"(tensor "b": expected data_offsets that begin at 1, found 2)");
}

TEST_CASE("safetensors: offsets that overlap") {
  check_error(
      file_with(R"({"a":)" + tensor("U8", "[2]", "[0,2]") + R"(,"b":)" + tensor("U8", "[2]", "[1,3]") + "}",
                3),
      R"(tensor "b": expected data_offsets that begin at 2, found 1)");
}

TEST_CASE("safetensors: offsets that run backwards") {
  check_error(
      file_with(R"({"a":)" + tensor("U8", "[2]", "[0,2]") + R"(,"b":)" + tensor("U8", "[0]", "[2,1]") + "}",
                2),
      R"(tensor "b": expected data_offsets that end at 2 or later, found 1)");
}

TEST_CASE("safetensors: offsets past the end of the file") {
  check_error(
      file_with(R"({"a":)" + tensor("U8", "[9]", "[0,9]") + "}", 8),
      "expected 9 bytes of tensor data, found 8: the file is cut short, as by an unfinished download");
  check_error(file_with(R"({"a":)" + tensor("U8", "[9]", "[0,9223372036854775807]") + "}", 8),
              "found 9223372036854775807");
}

TEST_CASE("safetensors: the order of the header is free, that of the offsets is not") {
  la::test::TemporaryDirectory directory;
  const std::string path = directory / "order.safetensors";
  std::ofstream(path, std::ios::binary) << file_with(
      R"({"a":)" + tensor("U8", "[1]", "[1,2]") + R"(,"b":)" + tensor("U8", "[1]", "[0,1]") + "}", 2);
  const auto file = la::SafetensorsFile::open(path);
  CHECK(file.find("a")->bytes.data() == file.find("b")->bytes.data() + 1);
  check_error(file_with(R"({"a":)" + tensor("U8", "[1]", "[2,1]") + "}", 2),
              "data_offsets that begin at 0, found 2");
}

TEST_CASE("safetensors: bytes behind the last tensor") {
  check_error(file_with(R"({"a":)" + tensor("U8", "[1]", "[0,1]") + "}", 2),
              "expected 1 bytes of tensor data, found 2");
  check_error(file_with("{}", 1), "expected 0 bytes of tensor data, found 1");
}

TEST_CASE("safetensors: a shape whose product overflows") {
  check_error(file_with(R"({"a":)" + tensor("U8", "[4294967296,4294967296]", "[0,0]") + "}"),
              R"(tensor "a": the product of its shape overflows)");
  check_error(file_with(R"({"a":)" + tensor("F64", "[1152921504606846976]", "[0,0]") + "}"),
              R"(tensor "a": the product of its shape overflows)");
}

TEST_CASE("safetensors: a size that does not match dtype and shape") {
  check_error(file_with(R"({"a":)" + tensor("F32", "[2,3]", "[0,20]") + "}", 20),
              R"(tensor "a": expected 24 bytes by dtype and shape, found 20)");
}

TEST_CASE("safetensors: a hostile name stays on one line of the message") {
  check_error(file_with(R"({"a\nb":1})"), R"(tensor "a\nb": expected an object)");
}

TEST_CASE("safetensors: every dtype, empty shapes, empty tensors, metadata and padding are legal") {
  struct Type {
    const char* name;
    std::size_t size;
    la::DType type;
  };
  using la::DType;
  const std::vector<Type> types{
      {"BOOL", 1, DType::boolean}, {"U8", 1, DType::u8},   {"I8", 1, DType::i8},     {"U16", 2, DType::u16},
      {"I16", 2, DType::i16},      {"U32", 4, DType::u32}, {"I32", 4, DType::i32},   {"U64", 8, DType::u64},
      {"I64", 8, DType::i64_},     {"F16", 2, DType::f16}, {"BF16", 2, DType::bf16}, {"F32", 4, DType::f32},
      {"F64", 8, DType::f64}};
  std::string header = R"({"empty":)" + tensor("F32", "[0,7]", "[0,0]");
  std::size_t at = 0;
  for (const Type& type : types) {
    const std::string offsets = "[" + std::to_string(at) + "," + std::to_string(at + type.size) + "]";
    header += std::string(",\"") + type.name + "\":" + tensor(type.name, "[]", offsets);
    at += type.size;
  }
  header += R"(,"__metadata__":{"format":"pt"}}   )";

  la::test::TemporaryDirectory directory;
  const std::string path = directory / "good.safetensors";
  std::ofstream(path, std::ios::binary) << file_with(header, at);
  const auto file = la::SafetensorsFile::open(path);
  CHECK(file.tensors().size() == types.size() + 1);
  CHECK(file.metadata().at("format") == "pt");
  CHECK(file.find("absent") == nullptr);
  for (const Type& type : types) {
    const la::StoredTensor* found = file.find(type.name);
    REQUIRE(found);
    CHECK(found->dtype == type.type);
    CHECK(found->size() == 1);
    CHECK(found->bytes.size() == type.size);
    CHECK(found->describe() == std::string(type.name) + " []");
    CHECK(found->file == &file.file());
  }
  CHECK(file.find("empty")->size() == 0);
  CHECK(file.find("empty")->describe() == "F32 [0, 7]");
}

TEST_CASE("safetensors: read_f32 widens f32, bf16 and f16 from any byte on") {
  const std::string header = R"({"pad":)" + tensor("U8", "[1]", "[0,1]") + R"(,"bf16":)" +
                             tensor("BF16", "[3]", "[1,7]") + R"(,"f16":)" + tensor("F16", "[3]", "[7,13]") +
                             R"(,"f32":)" + tensor("F32", "[3]", "[13,25]") + "}";
  std::string bytes = file_with(header, 1);
  const std::uint16_t bf16[] = {0x3f80, 0xc000, 0x7f80}, f16[] = {0x3c00, 0xc000, 0x7c00};
  const float f32[] = {1, -2, INFINITY};
  bytes.append(reinterpret_cast<const char*>(bf16), 6).append(reinterpret_cast<const char*>(f16), 6);
  bytes.append(reinterpret_cast<const char*>(f32), 12);
  la::test::TemporaryDirectory directory;
  const std::string path = directory / "f.safetensors";
  std::ofstream(path, std::ios::binary) << bytes;
  const auto file = la::SafetensorsFile::open(path);
  for (const char* name : {"bf16", "f16", "f32"}) {
    CAPTURE(name);
    std::vector<float> all(3), last(1), none;
    la::read_f32(*file.find(name), 0, all);
    CHECK(all == std::vector<float>{1, -2, INFINITY});
    la::read_f32(*file.find(name), 2, last);
    CHECK(last[0] == INFINITY);
    la::read_f32(*file.find(name), 3, none);
    CHECK_THROWS_AS(la::read_f32(*file.find(name), 1, all), la::Error);
    CHECK_THROWS_AS(la::read_f32(*file.find(name), -1, last), la::Error);
    CHECK_THROWS_AS(la::read_f32(*file.find(name), 4, none), la::Error);
  }
  std::vector<float> one(1);
  CHECK_THROWS_WITH_AS(la::read_f32(*file.find("pad"), 0, one),
                       (path + ": tensor \"pad\": expected F32, BF16 or F16, found U8").c_str(), la::Error);
}

TEST_CASE("safetensors: a moved file keeps its tensors") {
  auto file = la::SafetensorsFile::open(la::test::source("data/shapes/model.safetensors"));
  const la::SafetensorsFile moved = std::move(file);
  const la::StoredTensor* norm = moved.find("language_model.model.norm.weight");
  REQUIRE(norm);
  CHECK(norm->file == &moved.file());
  CHECK(norm->shape == std::vector<la::i64>{192});
  std::vector<float> values(192);
  la::read_f32(*norm, 0, values);
  for (const float value : values) CHECK(std::isfinite(value));
}
