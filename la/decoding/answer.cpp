#include "answer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "../core/error.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// 1 for none.
inline float geometric_mean(std::span<const Evidence> tokens) {
  double logs = 0;
  for (const Evidence& token : tokens)
    logs += std::log(double(token.probability));  // log 0 gives 0 in the end
  return tokens.empty() ? 1 : float(std::exp(logs / double(tokens.size())));
}

}  // namespace detail

LA_INLINE std::optional<ScannedItem> AnswerScanner::feed(std::int32_t id, const Evidence& evidence) {
  const i64 place = fed_++;
  if (id == special_.ref_start || id == special_.box_start) {
    leave_piece();
    open_piece(id == special_.ref_start ? Piece::ref : Piece::box, place);
    box_start_ = evidence.object;
    return {};
  }
  if (piece_ == Piece::ref && id == special_.ref_end) {
    label_ = std::move(ids_);
    label_score_ = detail::geometric_mean(evidence_);
    open_piece(Piece::outside, place);
    return {};
  }
  if (piece_ == Piece::box && id == special_.box_end) {
    const auto item = close_box();
    open_piece(Piece::outside, place);
    return item;
  }
  if (piece_ == Piece::outside && id == special_.end) return {};
  if (piece_ == Piece::outside && ids_.empty()) begin_ = place;
  ids_.push_back(id);
  evidence_.push_back(evidence);
  return {};
}

LA_INLINE void AnswerScanner::open_piece(Piece piece, i64 begin) {
  piece_ = piece;
  begin_ = begin;
  ids_.clear();
  evidence_.clear();
}

LA_INLINE void AnswerScanner::leave_piece() {
  if (piece_ == Piece::ref)
    warnings_.push_back(detail::concat("token ", begin_, ": skipped an unclosed <ref>"));
  if (piece_ == Piece::box)
    warnings_.push_back(detail::concat("token ", begin_, ": skipped an unclosed <box>"));
  if (piece_ == Piece::outside && !ids_.empty())
    warnings_.push_back(
        detail::concat("token ", begin_, ": skipped ", ids_.size(), " tokens outside <ref> and <box>"));
  open_piece(Piece::outside, fed_);
}

LA_INLINE std::optional<ScannedItem> AnswerScanner::close_box() {
  const bool none = ids_.size() == 1 && ids_[0] == special_.none;
  const auto coords = std::count_if(ids_.begin(), ids_.end(), [&](auto id) { return special_.is_coord(id); });
  const bool placed = std::size_t(coords) == ids_.size() && (coords == 2 || coords == 4);
  if (!none && !placed) {
    warnings_.push_back(detail::concat("token ", begin_,
                                       ": skipped a <box>, expected 2 or 4 coordinates, found ", coords,
                                       " among ", ids_.size(), " tokens"));
    return {};
  }
  ScannedItem item{Item::Kind::none, {}, evidence_[0].probability, label_score_, begin_};
  if (none) return item;
  item.kind = coords == 2 ? Item::Kind::point : Item::Kind::box;
  std::array<CoordinateSpread, 4> drawn;
  for (std::size_t i = 0; i < ids_.size(); ++i) {
    item.coordinates[i] = ids_[i] - special_.coord_first;
    drawn[i] = evidence_[i].spread;
  }
  const std::span<const int, 4> chosen(item.coordinates);
  const std::span<const CoordinateSpread, 4> all(drawn);
  const float quality =
      coords == 4 ? expected_iou(chosen, all) : expected_closeness(chosen.first<2>(), all.first<2>());
  item.score = box_start_ * evidence_[0].object * quality;
  return item;
}

LA_INLINE std::optional<Item> AnswerParser::feed(std::int32_t id, const Evidence& evidence) {
  const auto scanned = scanner_.feed(id, evidence);
  if (!scanned) return {};
  if (repeats_ == Repeats::dropped && !guard_.keeps(scanner_.label(), scanned->box(), scanned->begin)) {
    scanner_.warn(detail::concat("token ", scanned->begin, ": dropped a box of \"",
                                 decode_label_(scanner_.label()), "\", which had begun to repeat itself"));
    return {};
  }
  Item item{decode_label_(scanner_.label()),
            scanned->kind,
            scanned->coordinates,
            {},
            {},
            scanned->score,
            scanned->label_score};
  const auto& n = item.box_1000;
  const auto x = [&](int thousandths) { return float(double(thousandths) / 1000 * width_); };
  const auto y = [&](int thousandths) { return float(double(thousandths) / 1000 * height_); };
  if (item.kind == Item::Kind::point) item.point = {x(n[0]), y(n[1])};
  if (item.kind == Item::Kind::box)
    item.box = {x(std::min(n[0], n[2])), y(std::min(n[1], n[3])), x(std::max(n[0], n[2])),
                y(std::max(n[1], n[3]))};
  return item;
}

LA_INLINE Answer parse_answer(std::span<const std::int32_t> ids, std::span<const Evidence> evidence,
                              const SpecialTokens& special, const DecodeLabel& decode_label, int width,
                              int height) {
  require(ids.size() == evidence.size(), "answer: expected the evidence of ", ids.size(), " tokens, found ",
          evidence.size());
  AnswerParser parser(special, decode_label, width, height);
  Answer answer;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (auto item = parser.feed(ids[i], evidence[i])) answer.items.push_back(std::move(*item));
  parser.finish();
  answer.warnings = parser.warnings();
  return answer;
}

}  // namespace la::inline LA_ABI
