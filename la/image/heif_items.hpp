#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "image_file.hpp"
#include "png_chunks.hpp"

// The items of a HEIF file (ISO/IEC 14496-12, 23008-12), as far as it takes to know what decoding one costs. libheif
// allocates a canvas for each level of a grid of grids and follows references in a circle; files that do so are refused
// before it sees them.
namespace la::inline LA_ABI::detail {

/// Reads boxes and numbers from front to back. error: damaged where the bytes end too soon
class HeifReader {
 public:
  HeifReader(const ImageFile& file, std::span<const std::byte> bytes) : file_(file), rest_(bytes) {}

  bool empty() const noexcept { return rest_.empty(); }
  std::span<const std::byte> take(std::uint64_t count) {
    if (count > rest_.size()) file_.fail_damaged("a box that ends before its contents");
    const auto taken = rest_.first(std::size_t(count));
    rest_ = rest_.subspan(std::size_t(count));
    return taken;
  }
  std::uint32_t number(std::size_t bytes) { return read_big_endian(take(bytes)); }
  std::string_view type() { return text_of(take(4)); }

  struct Box {
    std::string_view type;
    std::span<const std::byte> payload;
  };
  Box box() {
    std::uint64_t header = 8, size = number(4);
    const std::string_view name = type();
    if (size == 1) {
      header = 16;
      size = std::uint64_t(number(4)) << 32;
      size |= number(4);
    }
    if (size == 0) return {name, take(rest_.size())};  // up to the end
    if (size < header) file_.fail_damaged("a box smaller than its header");
    return {name, take(size - header)};
  }

 private:
  const ImageFile& file_;
  std::span<const std::byte> rest_;
};

/// The box of this type among several, which a valid file has once or never.
inline std::span<const std::byte> only_heif_box(const ImageFile& file, std::span<const std::byte> bytes,
                                                std::string_view type) {
  std::span<const std::byte> found;
  bool any = false;
  for (HeifReader reader(file, bytes); !reader.empty();) {
    const HeifReader::Box box = reader.box();
    if (box.type != type) continue;
    if (any) file.fail_damaged("two boxes " + std::string(type));
    found = box.payload;
    any = true;
  }
  return found;
}

/// Ids of pictures that are made of others.
struct DerivedItems {
  std::set<std::uint32_t> composed;  ///< grids and overlays, which have a canvas
  std::set<std::uint32_t> all;       ///< these and identities

  static DerivedItems read(const ImageFile& file, std::span<const std::byte> iinf) {
    DerivedItems items;
    if (iinf.empty()) return items;
    HeifReader reader(file, iinf);
    const std::uint32_t version = reader.number(4) >> 24;
    reader.take(version == 0 ? 2 : 4);  // a count, which the boxes tell too
    while (!reader.empty()) {
      const HeifReader::Box box = reader.box();
      if (box.type != "infe") continue;
      HeifReader entry(file, box.payload);
      const std::uint32_t entry_version = entry.number(4) >> 24;
      if (entry_version < 2) continue;  // files, not pictures
      const std::uint32_t id = entry.number(entry_version == 2 ? 2 : 4);
      entry.take(2);  // protection
      const std::string_view type = entry.type();
      if (type == "grid" || type == "iovl") items.composed.insert(id);
      if (type == "grid" || type == "iovl" || type == "iden") items.all.insert(id);
    }
    return items;
  }
};

/// error: damaged for a grid or an overlay of pictures that are themselves made of others, for one part used twice, and
/// for more parts than any camera's
inline void check_heif_items(const ImageFile& file) {
  constexpr std::size_t kMaxParts = 4096;  // 16384 x 16384 pixels in tiles of 256 x 256
  const std::string_view text = text_of(file.bytes);
  if (text.find("grid") == text.npos && text.find("iovl") == text.npos && text.find("iden") == text.npos)
    return;
  const std::span<const std::byte> meta = only_heif_box(file, file.bytes, "meta");
  if (meta.size() < 4) return;
  const std::span<const std::byte> boxes = meta.subspan(4);  // behind version and flags
  const DerivedItems derived = DerivedItems::read(file, only_heif_box(file, boxes, "iinf"));
  const std::span<const std::byte> iref = only_heif_box(file, boxes, "iref");
  if (iref.empty()) return;
  HeifReader references(file, iref);
  const std::size_t id_bytes = references.number(4) >> 24 == 0 ? 2 : 4;
  std::map<std::uint32_t, std::set<std::uint32_t>> parts;
  while (!references.empty()) {
    const HeifReader::Box box = references.box();
    if (box.type != "dimg") continue;
    HeifReader ids(file, box.payload);
    const std::uint32_t whole = ids.number(id_bytes);
    const std::uint32_t count = ids.number(2);
    if (derived.all.count(whole) == 0) continue;  // gain maps and the like, which are not decoded
    const bool composed = derived.composed.count(whole) != 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t part = ids.number(id_bytes);
      const bool again = !parts[whole].insert(part).second;
      if (composed && again) file.fail_damaged("a grid or overlay that uses one part twice");
      if (derived.all.count(part) != 0 && (composed || derived.composed.count(part) == 0))
        file.fail_damaged("a picture made of pictures that are made of others");
    }
    if (parts[whole].size() > kMaxParts) file.fail_damaged("a grid or overlay of more than 4096 parts");
  }
}

}  // namespace la::inline LA_ABI::detail
