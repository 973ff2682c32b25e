#pragma once

#include <algorithm>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "la/la.hpp"

namespace la::cli {

/// Pictures as they come from clients. Those used last are kept decoded, up to so many bytes: who asks another thing about
/// the same file waits for no decoder. For any thread.
class SentImages {
 public:
  using Pointer = std::shared_ptr<const Image>;
  struct Counts {
    i64 hits = 0, decoded = 0;
  };

  SentImages(i64 max_pixels, std::size_t limit) : max_pixels_(max_pixels), limit_(limit) {}

  /// error: (usage) it cannot be decoded, or has too many pixels
  Pointer decode(std::string_view bytes, LoadOptions load = {}) {
    const std::size_t hash = std::hash<std::string_view>{}(bytes);
    if (Pointer known = find(hash, bytes, load.exif)) return known;
    load.max_pixels = max_pixels_;
    Pointer image;
    try {
      image = std::make_shared<const Image>(decode_image(std::as_bytes(std::span(bytes)), "image", load));
    } catch (const Error& error) {
      fail_usage(error.what());
    }
    keep(hash, bytes, load.exif, image);
    return image;
  }

  Counts counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  struct Entry {
    std::size_t hash;
    std::string bytes;  ///< compared, so that no two files with one hash are taken for one another
    ExifOrientation exif;
    Pointer image;
  };

  std::list<Entry>::iterator at(std::size_t hash, std::string_view bytes, ExifOrientation exif) {
    return std::find_if(entries_.begin(), entries_.end(),
                        [&](const Entry& e) { return e.hash == hash && e.exif == exif && e.bytes == bytes; });
  }

  Pointer find(std::size_t hash, std::string_view bytes, ExifOrientation exif) {
    const std::lock_guard lock(mutex_);
    const auto entry = at(hash, bytes, exif);
    if (entry == entries_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, entry);
    ++counts_.hits;
    return entry->image;
  }

  void keep(std::size_t hash, std::string_view bytes, ExifOrientation exif, const Pointer& image) {
    const auto size = [](std::string_view file, const Image& its) { return file.size() + its.pixels.size(); };
    const std::lock_guard lock(mutex_);
    ++counts_.decoded;
    if (size(bytes, *image) > limit_) return;
    if (at(hash, bytes, exif) != entries_.end()) return;  // another thread was as quick
    used_ += size(bytes, *image);
    entries_.push_front({hash, std::string(bytes), exif, image});
    for (; used_ > limit_; entries_.pop_back()) used_ -= size(entries_.back().bytes, *entries_.back().image);
  }

  const i64 max_pixels_;
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the last used first
  std::size_t used_ = 0;
  Counts counts_;
};

}  // namespace la::cli
