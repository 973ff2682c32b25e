#include "emulated_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>

#include "../../la/core/error.hpp"

namespace la::test {

/// The last write and the last read of a word, and which of its bytes they were. Blocks of one launch know no order, so a
/// block that read before another read is remembered by its launch.
struct EmulatedMemory::Cell {
  std::uint32_t write_launch, write_block;
  std::uint32_t read_launch, read_block;
  std::uint16_t write_epoch, write_thread, read_epoch, read_thread;
  std::uint32_t others_launch;  // in which a block beside read_block has read
  std::uint8_t written, read, live, initialised, in_flight;
};

namespace {

constexpr std::uint16_t kManyThreads = 0xffff;

void* reserve(std::size_t bytes, int protection) {
  void* at = ::mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return at;
}

std::string thread_name(std::uint16_t thread) {
  return thread == kManyThreads ? "several threads" : "thread " + std::to_string(thread);
}

}  // namespace

EmulatedMemory::EmulatedMemory(bool hunts) : arena_(static_cast<unsigned char*>(reserve(kArena, PROT_NONE))) {
  if (hunts) cells_ = static_cast<Cell*>(reserve(kArena / 4 * sizeof(Cell), PROT_READ | PROT_WRITE));
}

EmulatedMemory::~EmulatedMemory() {
  ::munmap(arena_, kArena);
  if (cells_) ::munmap(static_cast<void*>(cells_), kArena / 4 * sizeof(Cell));
}

unsigned char* EmulatedMemory::allocate(std::size_t bytes, const char* kind) {
  const std::size_t pages = std::max<std::size_t>(1, (bytes + kPage - 1) / kPage);
  const std::size_t span = (pages + 1) * kPage;
  if (span > kArena - used_) throw std::bad_alloc();
  unsigned char* first = arena_ + used_;
  if (::mprotect(first, pages * kPage, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  used_ += span;
  // Ends where the page ends, as far as vectors of 16 bytes allow.
  unsigned char* at = first + pages * kPage - (std::max<std::size_t>(bytes, 1) + 15) / 16 * 16;
  regions_[at] = {bytes, span, kind};
  poison(at);
  return at;
}

void EmulatedMemory::release(void* pointer) noexcept {
  const auto found = regions_.find(static_cast<unsigned char*>(pointer));
  if (found == regions_.end()) return;
  const std::size_t first = offset_of(pointer) / kPage * kPage, bytes = found->second.span - kPage;
  ::madvise(arena_ + first, bytes, MADV_DONTNEED);
  ::mprotect(arena_ + first, bytes, PROT_NONE);
  if (cells_) ::madvise(static_cast<void*>(cells_ + first / 4), bytes / 4 * sizeof(Cell), MADV_DONTNEED);
  regions_.erase(found);
}

void EmulatedMemory::poison(void* pointer) {
  const std::size_t bytes = regions_.at(static_cast<unsigned char*>(pointer)).bytes;
  std::memset(pointer, 0xff, bytes);
  if (!cells_) return;
  each_word(pointer, bytes, [&](Cell& cell, unsigned mask, std::size_t) {
    cell = Cell{};
    cell.live = std::uint8_t(mask);
    return true;
  });
}

template <class Body>
void EmulatedMemory::each_word(const void* at, std::size_t bytes, const Body& body) const {
  const std::size_t begin = offset_of(at), end = begin + bytes;
  for (std::size_t word = begin / 4; word * 4 < end; ++word) {
    const std::size_t first = std::max(begin, word * 4) - word * 4,
                      last = std::min(end, word * 4 + 4) - word * 4;
    if (!body(cells_[word], ((1u << last) - 1) & ~((1u << first) - 1), word)) return;
  }
}

const char* EmulatedMemory::kind_at(std::size_t word) const {
  const auto after = regions_.upper_bound(arena_ + word * 4 + 3);
  return after == regions_.begin() ? "no" : std::prev(after)->second.kind;
}

std::string EmulatedMemory::place(std::size_t word) const {
  const auto after = regions_.upper_bound(arena_ + word * 4 + 3);
  if (after == regions_.begin()) return "no memory";
  const auto& [first, region] = *std::prev(after);
  return detail::concat("byte ", arena_ + word * 4 - first, " of ", region.bytes, " of ", region.kind,
                        " memory");
}

std::string EmulatedMemory::out_of_range(const void* at, std::size_t bytes) const {
  return detail::concat("out of range: ", bytes, " bytes at ", place(offset_of(at) / 4));
}

std::string EmulatedMemory::host_write(void* at, std::size_t bytes) {
  std::string wrong;
  if (!cells_ || bytes == 0) return wrong;
  if (!contains(at)) return "a copy to what is no device memory";
  each_word(at, bytes, [&](Cell& cell, unsigned mask, std::size_t) {
    if ((cell.live & mask) != mask) wrong = out_of_range(at, bytes);
    cell.initialised = std::uint8_t(cell.initialised | mask);
    cell.write_launch = cell.read_launch = cell.others_launch = 0;
    return wrong.empty();
  });
  return wrong;
}

std::string EmulatedMemory::host_read(const void* at, std::size_t bytes) {
  std::string wrong;
  if (!cells_ || bytes == 0) return wrong;
  if (!contains(at)) return "a copy from what is no device memory";
  each_word(at, bytes, [&](Cell& cell, unsigned mask, std::size_t word) {
    if ((cell.live & mask) != mask)
      wrong = out_of_range(at, bytes);
    else if ((cell.initialised & mask) != mask)
      wrong = "uninitialised device memory: a copy to the host of " + place(word);
    return wrong.empty();
  });
  return wrong;
}

std::string EmulatedMemory::host_copy(const void* from, void* to, std::size_t bytes) {
  if (!cells_ || bytes == 0) return "";
  if (std::string wrong = host_write(to, bytes); !wrong.empty()) return wrong;
  std::string wrong;
  const std::size_t distance = (offset_of(to) - offset_of(from)) / 4;  // both begin at 16 bytes
  each_word(from, bytes, [&](Cell& cell, unsigned mask, std::size_t word) {
    if ((cell.live & mask) != mask) wrong = out_of_range(from, bytes);
    cells_[word + distance].initialised = cell.initialised;
    return wrong.empty();
  });
  return wrong;
}

void EmulatedMemory::set_in_flight(const void* at, std::size_t bytes, bool in_flight) {
  if (cells_)
    each_word(at, bytes, [&](Cell& cell, unsigned mask, std::size_t) {
      cell.in_flight = std::uint8_t(in_flight ? cell.in_flight | mask : cell.in_flight & ~mask);
      return true;
    });
}

std::string EmulatedMemory::touch(const Toucher& who, const void* at, std::size_t bytes, bool is_write) {
  std::string wrong;
  each_word(at, bytes, [&](Cell& cell, unsigned mask, std::size_t word) {
    if ((cell.live & mask) != mask)
      wrong = out_of_range(at, bytes);
    else if (cell.in_flight & mask)
      wrong = "unsynchronised copy: " + place(word) + " is still being copied";
    else
      wrong = is_write ? write(who, cell, mask, word) : read(who, cell, mask, word);
    return wrong.empty();
  });
  return wrong;
}

std::string EmulatedMemory::touch_atomic(const void* at) {
  std::string wrong;
  each_word(at, 4, [&](Cell& cell, unsigned mask, std::size_t word) {
    if ((cell.live & mask) != mask)
      wrong = out_of_range(at, 4);
    else if ((cell.initialised & mask) != mask)
      wrong = detail::concat("uninitialised ", kind_at(word), " memory: counts ", place(word));
    return wrong.empty();
  });
  return wrong;
}

std::string EmulatedMemory::read(const Toucher& who, Cell& cell, unsigned mask, std::size_t word) {
  if ((cell.initialised & mask) != mask)
    return detail::concat("uninitialised ", kind_at(word), " memory: reads ", place(word));
  if (cell.write_launch > who.complete && (cell.written & mask)) {
    if (cell.write_launch != who.launch)
      return "missing wait of a dependent launch: reads " + place(word) + ", written by a launch beside it";
    if (cell.write_block != who.block && !who.knows(cell.write_block, cell.write_epoch))
      return detail::concat("race between blocks: reads ", place(word), ", written by block ",
                            cell.write_block);
    if (cell.write_block == who.block && cell.write_epoch == who.epoch && cell.write_thread != who.thread)
      return detail::concat("missing barrier: reads ", place(word), ", written by ",
                            thread_name(cell.write_thread), " since the last one");
  }
  if (cell.read_launch == who.launch && cell.read_block == who.block && cell.read_epoch == who.epoch) {
    if (cell.read_thread != who.thread) cell.read_thread = kManyThreads;
    cell.read = std::uint8_t(cell.read | mask);
    return "";
  }
  if (cell.read_launch == who.launch && cell.read_block != who.block) {
    cell.others_launch = who.launch;
    Readers& readers = readers_[who.launch % 2];
    if (readers.launch != who.launch) {
      readers.of_word.clear();
      readers.launch = who.launch;
    }
    readers.of_word[word].emplace_back(cell.read_block, cell.read_epoch);
  }
  cell.read_launch = who.launch;
  cell.read_block = who.block;
  cell.read_epoch = who.epoch;
  cell.read_thread = who.thread;
  cell.read = std::uint8_t(mask);
  return "";
}

std::string EmulatedMemory::write(const Toucher& who, Cell& cell, unsigned mask, std::size_t word) {
  if (cell.write_launch > who.complete && (cell.written & mask)) {
    if (cell.write_launch != who.launch)
      return "missing wait of a dependent launch: writes " + place(word) + ", written by a launch beside it";
    if (cell.write_block != who.block && !who.knows(cell.write_block, cell.write_epoch))
      return detail::concat("race between blocks: writes ", place(word), ", written by block ",
                            cell.write_block);
    if (cell.write_block == who.block && cell.write_epoch == who.epoch && cell.write_thread != who.thread)
      return detail::concat("missing barrier: writes ", place(word), ", written by ",
                            thread_name(cell.write_thread), " since the last one");
  }
  if (cell.read_launch > who.complete && (cell.read & mask)) {
    if (cell.read_launch != who.launch)
      return detail::concat("missing wait of a dependent launch: writes ", place(word), ", read by ",
                            thread_name(cell.read_thread), " of block ", cell.read_block,
                            " of a launch beside it");
    if (cell.read_block != who.block && !who.knows(cell.read_block, cell.read_epoch))
      return detail::concat("race between blocks: writes ", place(word), ", read by block ", cell.read_block);
    if (cell.others_launch == who.launch)
      for (const auto& [block, epoch] : readers_[who.launch % 2].of_word[word])
        if (block != who.block && !who.knows(block, epoch))
          return detail::concat("race between blocks: writes ", place(word), ", read by block ", block);
    if (cell.read_block == who.block && cell.read_epoch == who.epoch && cell.read_thread != who.thread)
      return detail::concat("missing barrier: writes ", place(word), ", read by ",
                            thread_name(cell.read_thread), " since the last one");
  }
  cell.initialised = std::uint8_t(cell.initialised | mask);
  cell.write_launch = who.launch;
  cell.write_block = who.block;
  cell.write_epoch = who.epoch;
  cell.write_thread = who.thread;
  cell.written = std::uint8_t(mask);
  return "";
}

}  // namespace la::test
