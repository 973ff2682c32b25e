#pragma once

#include <string>
#include <vector>

#include "../core/inline.hpp"
#include "../decoding/answer.hpp"
#include "../image/draw.hpp"

// One answer out of several: to questions about some of the categories each, or to one question about tiles.
namespace la::inline LA_ABI {

/// What was said of one part of a picture.
struct PartAnswer {
  Rect view;                            ///< the part; the first is the whole picture
  std::vector<std::string> categories;  ///< that were asked for; empty for any other question
  std::vector<Item> items;              ///< in pixels of the view
};

/// Two boxes of one label in one view with this IoU are one thing.
inline constexpr double kDuplicateIou = 0.8;
/// Two boxes of one label in two views are one thing if their IoU within what both views show is at least this, or if
/// one of them, cut by an inner edge of its tile, lies in the other with at least kInsideShare of its area.
inline constexpr double kSameIou = 0.5, kInsideShare = 0.7;
/// So are two points this near, as a share of the smaller view's shorter side.
inline constexpr double kSamePoint = 0.05;

/// The items of all parts in pixels of the whole picture, in the order of the categories asked.
///   - A label that answers none of its question's categories becomes the one that it spells but for case and blanks, or
///     the only one there is; else its item is dropped with a warning
///   - Of boxes or points of one thing one stays: whole ones before those that an inner edge of a tile cuts, then by
///     score. Two cut ones become the box around both
///   - None stays where nothing of its label was found, once
std::vector<Item> join_items(const std::vector<PartAnswer>& parts, std::vector<std::string>& warnings);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "join.cpp"
#endif
