#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace la::test {

/// Who touches memory: a thread of a block of a launch, between two of its barriers.
struct Toucher {
  std::uint32_t launch = 0, block = 0;
  std::uint32_t complete = 0;  ///< launches up to this one have ended for sure
  std::uint16_t epoch = 0, thread = 0;
  /// Blocks of the launch known to have come to a barrier, and how many they had come to: what they did before is seen.
  const std::map<std::uint32_t, std::uint16_t>* ends = nullptr;

  bool knows(std::uint32_t other, std::uint16_t other_epoch) const {
    if (!ends) return false;
    const auto found = ends->find(other);
    return found != ends->end() && other_epoch < found->second;
  }
};

/// Device and shared memory of the emulated card. A block ends at a page that nobody may touch, holds NaN until it is
/// written, and its addresses are never given out again. Where it hunts, it remembers of every word who wrote and who read
/// it last, and so sees what the values hide.
class EmulatedMemory {
 public:
  using Ends = std::map<std::uint32_t, std::uint16_t>;
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
  /// An atomic access to a counter.
  std::string touch_atomic(const void* at);
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
  /// Of words that several blocks have read in a launch, each block but the last one and its epoch then; of the two launches
  /// that may run side by side.
  struct Readers {
    std::uint32_t launch = 0;
    std::unordered_map<std::size_t, std::vector<std::pair<std::uint32_t, std::uint16_t>>> of_word;
  } readers_[2];
  std::map<const unsigned char*, Region> regions_;
};

}  // namespace la::test
