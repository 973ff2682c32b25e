#pragma once

// stb_image_write as la::detail::stb_writer, set apart from a program's own copy as in stb_reader.hpp.

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cstdlib>
#include <new>
#include <utility>

#include "../../kernels/abi.hpp"

#pragma push_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma push_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_WRITE_STATIC")
#pragma push_macro("STBIWDEF")
#pragma push_macro("STBI_WRITE_NO_STDIO")
#pragma push_macro("STBIW_ASSERT")
#pragma push_macro("STBIW_MALLOC")
#pragma push_macro("STBIW_REALLOC")
#pragma push_macro("STBIW_REALLOC_SIZED")
#pragma push_macro("STBIW_FREE")
#pragma push_macro("STBIW_MEMMOVE")
#undef INCLUDE_STB_IMAGE_WRITE_H
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#undef STB_IMAGE_WRITE_STATIC
#undef STBIWDEF
#undef STBI_WRITE_NO_STDIO
#undef STBIW_ASSERT
#undef STBIW_MALLOC
#undef STBIW_REALLOC
#undef STBIW_REALLOC_SIZED
#undef STBIW_FREE
#undef STBIW_MEMMOVE

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#define STBIW_MALLOC(size) ::la::detail::StbMemory::current->allocate(size)
#define STBIW_REALLOC(p, size) ::la::detail::StbMemory::current->reallocate(p, size)
#define STBIW_FREE(p) ::la::detail::StbMemory::current->release(p)

namespace la::inline LA_ABI::detail {

/// What the encoder allocates while one of these is alive in its thread. The encoder does not check all of it: memory
/// that runs out leaves it by std::bad_alloc, and what it held is freed here.
class StbMemory {
 public:
  StbMemory() : before_(std::exchange(current, this)) {}
  StbMemory(const StbMemory&) = delete;
  StbMemory& operator=(const StbMemory&) = delete;
  ~StbMemory() {
    while (held_.next != &held_) release(held_.next + 1);
    current = before_;
  }

  void* allocate(std::size_t size) { return hold(std::malloc(sizeof(Block) + size)); }
  void* reallocate(void* p, std::size_t size) {
    if (!p) return allocate(size);
    Block* const block = drop(p);
    void* const larger = std::realloc(block, sizeof(Block) + size);
    if (!larger) std::free(block);
    return hold(larger);
  }
  void release(void* p) noexcept {
    if (p) std::free(drop(p));
  }

  static inline thread_local StbMemory* current = nullptr;

 private:
  /// In front of each allocation: a ring of all.
  struct alignas(16) Block {
    Block *previous, *next;
  };

  void* hold(void* p) {
    if (!p) throw std::bad_alloc();
    Block* const block = new (p) Block{&held_, held_.next};
    block->next->previous = block;
    held_.next = block;
    return block + 1;
  }
  static Block* drop(void* p) noexcept {
    Block* const block = static_cast<Block*>(p) - 1;
    block->previous->next = block->next;
    block->next->previous = block->previous;
    return block;
  }

  Block held_{&held_, &held_};
  StbMemory* before_;
};

}  // namespace la::inline LA_ABI::detail

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
namespace la::inline LA_ABI::detail::stb_writer {
#include <stb/stb_image_write.h>
}
#pragma GCC diagnostic pop

#pragma pop_macro("STBIW_MEMMOVE")
#pragma pop_macro("STBIW_FREE")
#pragma pop_macro("STBIW_REALLOC_SIZED")
#pragma pop_macro("STBIW_REALLOC")
#pragma pop_macro("STBIW_MALLOC")
#pragma pop_macro("STBIW_ASSERT")
#pragma pop_macro("STBI_WRITE_NO_STDIO")
#pragma pop_macro("STBIWDEF")
#pragma pop_macro("STB_IMAGE_WRITE_STATIC")
#pragma pop_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma pop_macro("INCLUDE_STB_IMAGE_WRITE_H")
