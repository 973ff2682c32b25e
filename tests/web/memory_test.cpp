#include <doctest/doctest.h>

#include <cstring>

#include "la/core/storage.hpp"

namespace la::test {

TEST_CASE("memory of WebAssembly: large blocks are given back") {
  const std::size_t before = __builtin_wasm_memory_size(0);
  for (int i = 0; i < 100; ++i) {
    const Storage block(std::size_t{64} << 20);
    REQUIRE(block.zeroed());
    REQUIRE(block.data()[i] == std::byte{});
    std::memset(block.data(), 1, 1000);
  }
  CHECK((__builtin_wasm_memory_size(0) - before) * 65536 < std::size_t{200} << 20);
}

}  // namespace la::test
