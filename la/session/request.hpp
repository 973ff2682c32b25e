#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "../core/error.hpp"
#include "../core/stop_token.hpp"
#include "../core/tensor.hpp"
#include "../image/image_view.hpp"
#include "../image/load.hpp"
#include "../image/tiles.hpp"
#include "../text/prompt.hpp"
#include "../decoding/answer.hpp"
#include "../decoding/generation.hpp"

// What goes into a session and what comes out of it.
namespace la::inline LA_ABI {

/// A picture after the vision tower, ready for any number of questions. A handle: copies share the rows, which outlive
/// the session's own cache.
struct EncodedImage {
  i64 width = 0, height = 0;          ///< of the picture as given; boxes are in its pixels
  i64 grid_h = 0, grid_w = 0;         ///< patches before merging
  std::shared_ptr<std::byte> memory;  ///< holds rows, in the session's backend
  ConstMatrix rows;                   ///< [grid_h * grid_w / 4, C] projected
  /// What this encoding cost; both 0 when it was still there from an earlier one. Of a picture that a card resizes, the first
  /// is the time until the card has it.
  double preprocess_seconds = 0, vision_seconds = 0;
};

/// Fewer find more, in no more time: see benchmarks/results/zen5-2cores-categories.txt.
inline constexpr i64 kCategoriesPerQuestion = 1;

struct AskOptions {
  GenerationOptions generation;
  PromptStyle prompt_style = PromptStyle::processor;
  /// The picture, from 0, whose pixels boxes are in. By default the one that the question names, by `<image-K>` or
  /// `<image K>`, if it names exactly one; else the first. (A question that shows a crop names both pictures.)
  std::optional<i64> boxes_on;
  float min_score = 0;  ///< items below it are left out
  /// The picture, which must come as a file or pixels, is asked about whole and in tiles; what they find becomes one
  /// answer, see join_items.
  Tiling tile;
  /// More categories are asked for in several questions; 0: always in one.
  i64 categories_per_question = kCategoriesPerQuestion;
  /// Called with each item as soon as its `</box>` is decoded.
  std::function<void(const Item&)> on_item;
  /// Called with the ids that a step has added, before the items that end there. Not of a request asked in parts.
  std::function<void(std::span<const std::int32_t>)> on_tokens;
  /// Called with the logits of each step, before sampling changes them; in slow mode a row at a time, and only those
  /// that tokens were chosen from, whether there are drafts or not. It must not use the session.
  std::function<void(ConstMatrix)> on_logits;
  /// Ends the answer with StopReason::cancelled and what was found so far: before its next step, or, while its pictures or
  /// its prompt go through the model, between two chunks or layers. A pass that other rows share is not cut short.
  StopToken stop;
};

/// A file, pixels, or what Session::encode made of them. Pixels of a view stay where they are, unchanged, until the
/// request has its result.
using ImageSource = std::variant<std::string, Image, EncodedImage, ImageView>;

/// The pixels of a source that is neither a file nor encoded.
inline ImageView view_of(const ImageSource& source) {
  if (const auto* image = std::get_if<Image>(&source)) return *image;
  return std::get<ImageView>(source);
}

/// One question about one or more pictures. Pictures are read and encoded when its turn comes.
struct Request {
  std::vector<ImageSource> images;
  PromptText question;
  std::vector<std::string> categories;  ///< to detect, each once; then `question` says nothing
  AskOptions options;
  LoadOptions load;  ///< of pictures given as files
  i64 max_side = 0;  ///< see Session::encode
};

/// Of a request that was asked in parts, counts and times are sums, and texts, ids and warnings stand one after the
/// other.
struct Result {
  std::vector<Item> items;
  std::string query;                    ///< the question asked
  std::string answer;                   ///< text of all generated ids, special tokens included
  std::vector<std::int32_t> token_ids;  ///< all generated ids
  StopReason stop = StopReason::eos;
  i64 width = 0, height = 0;  ///< of the picture that boxes are on
  i64 prompt_tokens = 0;
  i64 shared_tokens = 0;  ///< of the prompt, whose keys and values were there already
  i64 forward_steps = 0, switches_to_ar = 0;
  i64 drafted = 0, accepted = 0;  ///< drafts of slow mode that were checked, and those of them that held
  double preprocess_seconds = 0, vision_seconds = 0;  ///< of all pictures
  double prefill_seconds = 0;         ///< until the first tokens: prompt and first step together
  double decode_seconds = 0;          ///< all other steps, those of other rows of the batch included
  std::vector<std::string> warnings;  ///< pieces of the answer that were skipped, and whether it was cut

  /// Of the steps after the first; 0 when there was none.
  double tokens_per_second = 0;
  /// Why there is no answer; empty when there is one. Only batch() fills it, ask() throws.
  std::string error;
  ErrorKind error_kind = ErrorKind::failed;

  bool ok() const noexcept { return error.empty(); }
  /// Whether the length limit cut the answer.
  bool truncated() const noexcept { return stop == StopReason::max_tokens; }
};

struct BatchOptions {
  i64 batch_size = 8;        ///< rows that run at once
  bool share_vision = true;  ///< use and fill the session's cache of encoded pictures
  bool share_prefix = true;  ///< fork keys and values of prompts that start alike
  /// Called with each item as soon as its `</box>` is decoded, and with each result as soon as it is there; the index
  /// is that of the request. From the thread that called batch().
  std::function<void(i64 index, const Item&)> on_item;
  std::function<void(i64 index, const Result&)> on_result;
};

/// Totals of a session.
struct Statistics {
  i64 vision_runs = 0, vision_hits = 0;      ///< pictures encoded, and found in the cache
  i64 prompt_tokens = 0, shared_tokens = 0;  ///< of all prompts, and those of them that a fork brought
  i64 passes = 0, rows = 0,
      max_rows = 0;        ///< forward passes that gave logits, their rows, the most in one pass
  i64 prefill_passes = 0;  ///< forward passes over prompts alone
  /// Passes that were asked for before the one before them was read, and those that turned out to be the next one.
  i64 asked_ahead = 0, taken_ahead = 0;
  i64 waits = 0;                                ///< times a row did not fit the budget at once
  std::size_t kv_bytes = 0, peak_kv_bytes = 0;  ///< reserved for keys and values
};

}  // namespace la::inline LA_ABI
