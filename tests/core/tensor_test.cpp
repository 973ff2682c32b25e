#include "../../la/core/tensor.hpp"

#include <cstring>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "../../la/core/mapped_file.hpp"
#include "../../la/core/storage.hpp"
#include "../support.hpp"

namespace la::test {

TEST_CASE("tensor: shape, strides and slices address the right elements") {
  std::vector<float> values(2 * 3 * 8);
  std::iota(values.begin(), values.end(), 0.0f);
  const Cube cube(values.data(), {2, 3, 8});
  CHECK(cube.dense());
  CHECK(cube(1, 2, 3) == 24 + 16 + 3);
  const Matrix matrix(values.data(), {6, 8});
  const Matrix right = matrix.columns(4, 4);
  CHECK(!right.dense());
  CHECK(right(2, 1) == 16 + 5);
  CHECK(right.rows(2, 3)(0, 0) == 20);
  const Cube heads = right.split_heads(2);  // [6, 2, 2]
  CHECK(heads.shape == std::array<i64, 3>{6, 2, 2});
  CHECK(heads(3, 1, 0) == 24 + 4 + 2);
  CHECK(matrix.reshape<3>({2, 3, 8})(1, 0, 7) == cube(1, 0, 7));
  const ConstMatrix constant = matrix;
  CHECK(constant(5, 7) == 47);
}

TEST_CASE("storage: aligned, movable, empty when asked for nothing") {
  for (std::size_t size : {1, 63, 64, 1000}) {
    Storage s(size);
    CHECK(reinterpret_cast<std::uintptr_t>(s.data()) % kAlignment == 0);
    CHECK(s.size() == size);
    Storage t = std::move(s);
    CHECK(t.data() != nullptr);
  }
  CHECK(Storage(0).data() == nullptr);
  CHECK_THROWS_AS(Storage(std::size_t{1} << 62), std::bad_alloc);
}

TEST_CASE("storage: large blocks are aligned to huge pages, writable to their end, and given back at once") {
  constexpr std::size_t kLarge = 64 << 20;
  for (std::size_t size :
       {Storage::kMapped - 1, Storage::kMapped, 2 * kHugePage - 1, 2 * kHugePage, kLarge + 1}) {
    Storage s(size);
    CHECK(reinterpret_cast<std::uintptr_t>(s.data()) % (size >= 2 * kHugePage ? kHugePage : kAlignment) == 0);
    std::memset(s.data(), 1, size);
    Storage t;
    t = std::move(s);
    CHECK(t.data()[size - 1] == std::byte{1});
  }
  // Between blocks that stay, so that no heap could give it back.
  const std::size_t before = resident_bytes();
  Storage first(kLarge), middle(kLarge), last(kLarge);
  for (Storage* s : {&first, &middle, &last}) std::memset(s->data(), 1, kLarge);
  CHECK(resident_bytes() >= before + 3 * kLarge);
  middle = Storage();
  CHECK(resident_bytes() < before + 3 * kLarge - kLarge / 2);
}

TEST_CASE("mapped file: whole contents, empty files, errors that name the file") {
  TemporaryDirectory directory;
  std::ofstream(directory / "a") << "hello";
  std::ofstream(directory / "empty");
  const MappedFile file = MappedFile::open(directory / "a");
  CHECK(std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()) == "hello");
  file.release(file.bytes());
  CHECK(char(file.bytes()[0]) == 'h');
  CHECK(MappedFile::open(directory / "empty").bytes().empty());
  CHECK_THROWS_WITH(MappedFile::open(directory / "none"), doctest::Contains("none: No such file"));
  CHECK_THROWS_WITH(MappedFile::open(directory.str()), doctest::Contains("expected a regular file"));
}

}  // namespace la::test
