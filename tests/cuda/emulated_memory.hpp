#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace la::test {

/// Who touches memory: a thread of a block of a launch, between two of its barriers.
struct Toucher {
  std::uint32_t launch = 0, block = 0;
  std::uint32_t complete = 0;  ///< launches up to this one have ended for sure
  std::uint16_t epoch = 0, thread = 0;
};

/// Device and shared memory of the emulated card. A block ends at a page that nobody may touch, holds NaN until it is
/// written, and its addresses are never given out again. Where it hunts, it remembers of every word who wrote and who read
/// it last, and so sees what the values hide.
class EmulatedMemory {
 public:
  explicit EmulatedMemory(bool hunts);
  EmulatedMemory(const EmulatedMemory&) = delete;
  EmulatedMemory& operator=(const EmulatedMemory&) = delete;
  ~EmulatedMemory();

  /// fails: std::bad_alloc
  unsigned char* allocate(std::size_t bytes, const char* kind);
  void release(void* at) noexcept;
  /// As if it were allocated anew.
  void poison(void* at);

  /// An address of this card, whether it is allocated or not.
  bool contains(const void* at) const noexcept { return offset_of(at) < kArena; }

  /// What a copy of the driver does with whole ranges; why it must not, or "".
  std::string host_write(void* at, std::size_t bytes);
  std::string host_read(const void* at, std::size_t bytes);
  std::string host_copy(const void* from, void* to, std::size_t bytes);

  /// A kernel reads or writes: what is wrong with it, or "".
  std::string touch(const Toucher& who, const void* at, std::size_t bytes, bool write);
  /// Bytes that an asynchronous copy is going to write, or has written.
  void set_in_flight(const void* at, std::size_t bytes, bool in_flight);

 private:
  struct Cell;  // of four bytes
  struct Region {
    std::size_t bytes, span;
    const char* kind;
  };
  static constexpr std::size_t kArena = std::size_t{64} << 30, kPage = 4096;

  std::size_t offset_of(const void* at) const noexcept {
    return static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(at) -
                                    reinterpret_cast<std::uintptr_t>(arena_));
  }
  template <class Body>
  void each_word(const void* at, std::size_t bytes, const Body& body) const;
  std::string out_of_range(const void* at, std::size_t bytes) const;
  std::string place(std::size_t word) const;
  const char* kind_at(std::size_t word) const;
  std::string read(const Toucher& who, Cell& cell, unsigned mask, std::size_t word);
  std::string write(const Toucher& who, Cell& cell, unsigned mask, std::size_t word);

  unsigned char* arena_ = nullptr;
  Cell* cells_ = nullptr;  // null: does not hunt
  std::size_t used_ = kPage;
  std::map<const unsigned char*, Region> regions_;
};

}  // namespace la::test
