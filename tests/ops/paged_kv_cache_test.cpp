#include "../../la/ops/paged_kv_cache.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "../support.hpp"

namespace la::test {
namespace {

/// Memory as others left it: all NaN.
class UsedMemory final : public MemoryResource {
 public:
  std::byte* allocate(std::size_t bytes) override {
    auto* block = static_cast<std::byte*>(std::aligned_alloc(kAlignment, round_up(bytes, kAlignment)));
    std::memset(block, 0xff, bytes);
    return block;
  }
  void release(std::byte* block, std::size_t) noexcept override { std::free(block); }
};

/// Of fresh pages, in which one token was written.
bool rest_is_zero(const KvShape& shape, const std::shared_ptr<MemoryResource>& memory) {
  PagedKvCache cache(shape, memory);
  cache.extend(1);
  const std::vector<float> ones(std::size_t(shape.head_size), 1.0f);
  for (i64 layer = 0; layer < shape.layers; ++layer)
    for (i64 head = 0; head < shape.heads; ++head)
      cache.write(layer, head, 0, ones.data(), 1, ones.data(), 1);
  const float* page = cache.pages()[0];
  const i64 floats = cache.k_offset(shape.layers, 0),
            written = 2 * shape.layers * shape.heads * shape.head_size;
  return std::count(page, page + floats, 1.0f) == written &&
         std::count(page, page + floats, 0.0f) == floats - written;
}

}  // namespace

TEST_CASE("key-value cache: slots without a token are zero, whatever memory the page is of") {
  const KvShape small{2, 2, 24}, mapped{36, 2, 128};
  void* const used[] = {std::malloc(100000), std::malloc(100000)};  // for the heap to give again
  for (void* block : used) std::memset(block, 0xff, 100000);
  for (void* block : used) std::free(block);
  for (const KvShape& shape : {small, mapped}) {
    CAPTURE(shape.layers);
    CHECK(rest_is_zero(shape, nullptr));
    CHECK(rest_is_zero(shape, std::make_shared<UsedMemory>()));
  }
}

}  // namespace la::test
