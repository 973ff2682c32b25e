#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/inline.hpp"
#include "../core/tensor.hpp"
#include "../text/special_tokens.hpp"
#include "evidence.hpp"
#include "loop_guard.hpp"

namespace la::inline LA_ABI {

/// One thing the model found, or its word that there is none.
struct Item {
  enum class Kind { box, point, none };

  std::string label;
  Kind kind = Kind::none;
  std::array<int, 4> box_1000{};  ///< thousandths of the picture in the model's order; a point uses two
  std::array<float, 4> box{};     ///< x1 y1 x2 y2, sorted, in pixels of the original picture, not clamped
  std::array<float, 2> point{};   ///< x y, in pixels of the original picture
  /// How good the box is expected to be, from the model's own distributions: P(an object) * E[IoU], see Evidence and
  /// expected_iou. A point: P(an object) * E[closeness]. For none, that word's probability.
  float score = 0;
  float label_score = 1;  ///< geometric mean of the probabilities of the label's tokens; 1 without a label
};

/// An item before its label is decoded and its coordinates are turned into pixels.
struct ScannedItem {
  Item::Kind kind = Item::Kind::none;
  std::array<int, 4> coordinates{};
  float score = 0, label_score = 1;
  i64 begin = 0;  ///< place of its `<box>` among the tokens

  std::optional<std::array<int, 4>> box() const {
    return kind == Item::Kind::box ? std::optional(coordinates) : std::nullopt;
  }
};

/// Finds the items in a stream of tokens: `<box>` with 2 or 4 coordinates or none, and `</box>`. The label is
/// the latest complete `<ref>` ... `</ref>`. Any other token is skipped with a warning; no input is an error.
class AnswerScanner {
 public:
  explicit AnswerScanner(const SpecialTokens& special) : special_(special) {}

  /// The item that this token completes.
  std::optional<ScannedItem> feed(std::int32_t id, const Evidence& evidence);
  /// After the last token: warns of what was left open.
  void finish() { leave_piece(); }

  std::span<const std::int32_t> label() const noexcept { return label_; }
  void warn(std::string warning) { warnings_.push_back(std::move(warning)); }
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  enum class Piece { outside, ref, box };

  void open_piece(Piece piece, i64 begin);
  void leave_piece();
  std::optional<ScannedItem> close_box();

  SpecialTokens special_;
  Piece piece_ = Piece::outside;
  i64 begin_ = 0, fed_ = 0;
  std::vector<std::int32_t> ids_;  // of the piece, without its brackets
  std::vector<Evidence> evidence_;
  float box_start_ = 1;  // that there is a box, as its `<box>` said
  std::vector<std::int32_t> label_;
  float label_score_ = 1;
  std::vector<std::string> warnings_;
};

/// The text of a label's ids.
using DecodeLabel = std::function<std::string(std::span<const std::int32_t>)>;

/// What becomes of boxes that LoopGuard does not keep.
enum class Repeats { kept, dropped };

/// The items of an answer, one by one as their `</box>` arrives.
class AnswerParser {
 public:
  /// units: width and height of the original picture in pixels
  AnswerParser(const SpecialTokens& special, DecodeLabel decode_label, int width, int height,
               Repeats repeats = Repeats::kept)
      : scanner_(special),
        decode_label_(std::move(decode_label)),
        width_(width),
        height_(height),
        repeats_(repeats) {}

  std::optional<Item> feed(std::int32_t id, const Evidence& evidence);
  void finish() { scanner_.finish(); }
  const std::vector<std::string>& warnings() const noexcept { return scanner_.warnings(); }

 private:
  AnswerScanner scanner_;
  DecodeLabel decode_label_;
  int width_, height_;
  Repeats repeats_;
  LoopGuard guard_;
};

struct Answer {
  std::vector<Item> items;
  std::vector<std::string> warnings;  ///< pieces that were skipped
};

/// The items of a complete answer.
/// error: not one evidence for each id
Answer parse_answer(std::span<const std::int32_t> ids, std::span<const Evidence> evidence,
                    const SpecialTokens& special, const DecodeLabel& decode_label, int width, int height);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "answer.cpp"
#endif
