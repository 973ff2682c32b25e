#include "prompt.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "../core/error.hpp"
#include "unicode.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// `<image-K>` or `<video-K>` in a question.
struct Placeholder {
  std::size_t begin, end;
  bool is_image;
  i64 number;  ///< K, or a number too large for any image
};

inline std::optional<Placeholder> placeholder_at(std::string_view text, std::size_t begin) noexcept {
  constexpr std::string_view kImage = "<image-", kVideo = "<video-";
  constexpr i64 kTooMany = i64{1} << 32;
  const bool is_image = text.substr(begin).starts_with(kImage);
  if (!is_image && !text.substr(begin).starts_with(kVideo)) return std::nullopt;
  const std::size_t digits = begin + kImage.size();
  std::size_t at = digits;
  i64 number = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    number = std::min(number * 10 + (text[at] - '0'), kTooMany);
  }
  if (at == digits || at == text.size() || text[at] != '>') return std::nullopt;
  return Placeholder{begin, at + 1, is_image, number};
}

inline std::vector<Placeholder> placeholders(std::string_view text) {
  std::vector<Placeholder> found;
  for (std::size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1)) {
    if (const auto placeholder = placeholder_at(text, at)) found.push_back(*placeholder);
  }
  return found;
}

[[noreturn]] inline void fail_image_token(std::string_view token) {
  fail_usage("question: expected no ", token, ", the token that stands for an image's rows");
}

/// The placeholders of a question that may be asked about this many images.
inline std::vector<Placeholder> checked_placeholders(const std::string& question, i64 images) {
  require_utf8(question, "question");
  if (question.find("<IMG_CONTEXT>") != question.npos) fail_image_token("<IMG_CONTEXT>");
  std::vector<Placeholder> found = placeholders(question);
  for (const auto& [begin, end, is_image, number] : found) {
    const std::string name = question.substr(begin, end - begin);
    if (!is_image) fail_usage("question: expected images only, found ", name);
    if (number < 1 || number > images) {
      fail_usage("question: expected the number of one of ", images, " images, found ", name);
    }
  }
  return found;
}

/// Before anything of that size is made: a question may name one image any number of times.
inline void require_room(const Tokenizer& tokenizer, const std::vector<Placeholder>& all,
                         std::span<const i64> image_rows) {
  i64 rows = 0;
  for (const Placeholder& placeholder : all) rows += image_rows[std::size_t(placeholder.number - 1)];
  const i64 longest = tokenizer.model_max_length();
  if (rows >= longest)
    fail_usage("question: ", rows, " tokens of ", all.size(),
               " images leave no room for text, model_max_length is ", longest);
}

/// The images that a question does not name, in order.
inline std::string missing_placeholders(const std::vector<Placeholder>& found, i64 images) {
  std::string text;
  for (i64 number = 1; number <= images; ++number) {
    const auto names = [&](const Placeholder& placeholder) { return placeholder.number == number; };
    if (std::none_of(found.begin(), found.end(), names)) text += detail::concat("<image-", number, ">");
  }
  return text;
}

inline PromptText conversation_text(const PromptText& question, const std::string& images,
                                    PromptStyle style) {
  PromptText text("<|im_start|>system\nYou are a helpful assistant.");
  text.append(style == PromptStyle::processor ? "\n<|im_end|>\n" : "<|im_end|>\n");
  text.append(detail::concat("<|im_start|>user\n", images));
  text.append(question);
  text.append("<|im_end|>\n<|im_start|>assistant\n");
  return text;
}

}  // namespace detail

LA_INLINE PromptStyle parse_prompt_style(std::string_view name) {
  if (name == "processor") return PromptStyle::processor;
  if (name == "chat") return PromptStyle::chat;
  fail_usage("prompt style: expected processor or chat, found \"", name, "\"");
}

LA_INLINE Prompt build_prompt(const Tokenizer& tokenizer, const SpecialTokens& special,
                              const PromptText& question, std::span<const i64> image_rows,
                              PromptStyle style) {
  for (const char* token : {"<|im_start|>", "<|im_end|>", "<img>", "</img>"}) {
    require(tokenizer.added_token_id(token).has_value(), "tokenizer: expected the added token ", token,
            ", found none");
  }
  const i64 images = i64(image_rows.size());
  const auto named = detail::checked_placeholders(question.text(), images);
  const PromptText text =
      detail::conversation_text(question, detail::missing_placeholders(named, images), style);

  Prompt prompt;
  const auto append = [&](const PromptText& part) {
    const std::vector<std::int32_t> ids = tokenizer.encode(part);
    if (std::find(ids.begin(), ids.end(), special.image) != ids.end()) {
      detail::fail_image_token(tokenizer.token_text(special.image));
    }
    prompt.ids.insert(prompt.ids.end(), ids.begin(), ids.end());
  };
  const auto all = detail::placeholders(text.text());
  detail::require_room(tokenizer, all, image_rows);
  // Cutting at the rows is exact: an added token stands on either side of them.
  PromptText part;
  std::size_t begin = 0;
  for (const detail::Placeholder& placeholder : all) {
    const i64 image = placeholder.number - 1, rows = image_rows[std::size_t(image)];
    require(rows > 0, "image ", placeholder.number, ": expected at least one row, found ", rows);
    part.append(text.slice(begin, placeholder.begin));
    part.append(detail::concat("<image ", placeholder.number, "><img>"));
    append(part);
    prompt.images.push_back({image, i64(prompt.ids.size()), rows});
    prompt.ids.insert(prompt.ids.end(), std::size_t(rows), special.image);
    part = PromptText("</img>");
    begin = placeholder.end;
  }
  part.append(text.slice(begin, text.text().size()));
  append(part);
  return prompt;
}

}  // namespace la::inline LA_ABI
