#include "join.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "../core/error.hpp"
#include "../text/task.hpp"

namespace la::inline LA_ABI {
namespace detail {

struct FoundItem {
  Item item;
  Rect view;
  std::size_t order;  // of its category
  bool cut = false;   // by an edge of the view that is not the picture's
};

inline double area_of(const std::array<float, 4>& box) {
  return std::max(0.0, double(box[2]) - double(box[0])) * std::max(0.0, double(box[3]) - double(box[1]));
}

inline std::array<float, 4> common(const std::array<float, 4>& a, const std::array<float, 4>& b) {
  return {std::max(a[0], b[0]), std::max(a[1], b[1]), std::min(a[2], b[2]), std::min(a[3], b[3])};
}

inline std::array<float, 4> around(const std::array<float, 4>& a, const std::array<float, 4>& b) {
  return {std::min(a[0], b[0]), std::min(a[1], b[1]), std::max(a[2], b[2]), std::max(a[3], b[3])};
}

inline std::array<float, 4> box_of(const Rect& r) {
  return {float(r.left), float(r.top), float(r.right), float(r.bottom)};
}

inline double box_iou(const std::array<float, 4>& a, const std::array<float, 4>& b) {
  const double both = area_of(common(a, b)), all = area_of(a) + area_of(b) - both;
  return all > 0 ? both / all : 0;
}

inline bool same_view(const Rect& a, const Rect& b) {
  return a.left == b.left && a.top == b.top && a.right == b.right && a.bottom == b.bottom;
}

inline bool same_box(const FoundItem& a, const FoundItem& b) {
  const auto &x = a.item.box, &y = b.item.box;
  if (same_view(a.view, b.view)) return box_iou(x, y) >= kDuplicateIou;
  const auto shared = common(box_of(a.view), box_of(b.view));
  if (box_iou(common(x, shared), common(y, shared)) >= kSameIou) return true;
  const double both = area_of(common(x, y));
  return (a.cut && both >= kInsideShare * area_of(x)) || (b.cut && both >= kInsideShare * area_of(y));
}

inline bool same_point(const FoundItem& a, const FoundItem& b) {
  const auto shorter = [](const Rect& r) { return std::min(r.right - r.left, r.bottom - r.top); };
  const double distance = std::hypot(a.item.point[0] - b.item.point[0], a.item.point[1] - b.item.point[1]);
  if (same_view(a.view, b.view)) return distance == 0;
  return distance <= kSamePoint * double(std::min(shorter(a.view), shorter(b.view)));
}

inline bool same_thing(const FoundItem& a, const FoundItem& b) {
  if (a.item.label != b.item.label || a.item.kind != b.item.kind) return false;
  if (a.item.kind == Item::Kind::none) return true;
  return a.item.kind == Item::Kind::box ? same_box(a, b) : same_point(a, b);
}

inline int thousandths(float at, i64 side) {
  return int(std::clamp(std::lround(double(at) * 1000 / double(side)), 0L, 1000L));
}

/// From pixels of its view to those of the whole.
inline void place_item(FoundItem& found, const Rect& whole) {
  const Rect& view = found.view;
  if (same_view(view, whole)) return;
  Item& item = found.item;
  const float left = float(view.left), top = float(view.top);
  if (item.kind == Item::Kind::point) {
    item.point = {item.point[0] + left, item.point[1] + top};
    item.box_1000 = {thousandths(item.point[0], whole.right), thousandths(item.point[1], whole.bottom), 0, 0};
  }
  if (item.kind != Item::Kind::box) return;
  const float width = float(view.right - view.left), height = float(view.bottom - view.top);
  constexpr float kEdge = 0.01f;  // of the view's sides
  found.cut = (view.left > whole.left && item.box[0] <= kEdge * width) ||
              (view.top > whole.top && item.box[1] <= kEdge * height) ||
              (view.right < whole.right && item.box[2] >= (1 - kEdge) * width) ||
              (view.bottom < whole.bottom && item.box[3] >= (1 - kEdge) * height);
  item.box = {item.box[0] + left, item.box[1] + top, item.box[2] + left, item.box[3] + top};
}

inline void set_thousandths(Item& item, const Rect& whole) {
  item.box_1000 = {thousandths(item.box[0], whole.right), thousandths(item.box[1], whole.bottom),
                   thousandths(item.box[2], whole.right), thousandths(item.box[3], whole.bottom)};
}

inline std::string folded(std::string_view label) {
  std::string text(trim(label));
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return text;
}

/// The category that a label answers.
inline std::optional<std::size_t> category_of(const std::string& label,
                                              const std::vector<std::string>& categories) {
  if (categories.size() == 1) return 0;
  const auto is = [&](auto&& matches) -> std::optional<std::size_t> {
    const auto found = std::find_if(categories.begin(), categories.end(), matches);
    if (found == categories.end()) return std::nullopt;
    return std::size_t(found - categories.begin());
  };
  if (const auto exact = is([&](const std::string& c) { return c == label; })) return exact;
  return is([&](const std::string& c) { return folded(c) == folded(label); });
}

inline std::vector<FoundItem> found_in(const std::vector<PartAnswer>& parts,
                                       std::vector<std::string>& warnings) {
  std::vector<std::string> order;
  std::vector<FoundItem> all;
  for (const PartAnswer& part : parts)
    for (const Item& item : part.items) {
      FoundItem found{item, part.view, 0};
      if (!part.categories.empty()) {
        const auto category = category_of(item.label, part.categories);
        if (!category) {
          warnings.push_back(concat("dropped an item of \"", item.label, "\", which was not asked for"));
          continue;
        }
        found.item.label = part.categories[*category];
      }
      place_item(found, parts.front().view);
      all.push_back(std::move(found));
    }
  for (const PartAnswer& part : parts)
    for (const std::string& name : part.categories)
      if (std::find(order.begin(), order.end(), name) == order.end()) order.push_back(name);
  for (FoundItem& found : all)
    found.order = std::size_t(std::find(order.begin(), order.end(), found.item.label) - order.begin());
  return all;
}

}  // namespace detail

LA_INLINE std::vector<Item> join_items(const std::vector<PartAnswer>& parts,
                                       std::vector<std::string>& warnings) {
  require(!parts.empty(), "join: expected one part or more");
  using detail::FoundItem;
  std::vector<FoundItem> all = detail::found_in(parts, warnings);
  std::vector<std::size_t> by_rank(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) by_rank[i] = i;
  // None says little beside anything else, and that of the whole picture says most.
  const auto rank = [&](std::size_t i) {
    const bool none = all[i].item.kind == Item::Kind::none;
    return std::make_pair(2 * int(none) + int(all[i].cut), none ? 0 : -all[i].item.score);
  };
  std::stable_sort(by_rank.begin(), by_rank.end(),
                   [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });

  std::vector<std::size_t> kept;
  for (const std::size_t i : by_rank) {
    FoundItem& found = all[i];
    const bool none = found.item.kind == Item::Kind::none;
    const auto same = std::find_if(kept.begin(), kept.end(), [&](std::size_t k) {
      return none ? all[k].item.label == found.item.label : detail::same_thing(all[k], found);
    });
    if (same == kept.end()) {
      kept.push_back(i);
    } else if (FoundItem& other = all[*same]; found.cut && other.cut) {
      other.item.box = detail::around(other.item.box, found.item.box);
      other.view = {std::min(other.view.left, found.view.left), std::min(other.view.top, found.view.top),
                    std::max(other.view.right, found.view.right),
                    std::max(other.view.bottom, found.view.bottom)};
    }
  }
  std::sort(kept.begin(), kept.end(), [&](std::size_t a, std::size_t b) {
    return std::make_pair(all[a].order, a) < std::make_pair(all[b].order, b);
  });
  std::vector<Item> items;
  const Rect& whole = parts.front().view;
  for (const std::size_t k : kept) {
    FoundItem& found = all[k];
    if (found.item.kind == Item::Kind::box && !detail::same_view(found.view, whole))
      detail::set_thousandths(found.item, whole);
    items.push_back(std::move(found.item));
  }
  return items;
}

}  // namespace la::inline LA_ABI
