#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/inline.hpp"
#include "../core/tensor.hpp"
#include "special_tokens.hpp"
#include "prompt_text.hpp"
#include "tokenizer.hpp"

namespace la::inline LA_ABI {

/// The two published templates; `chat` has no newline after the system's sentence.
enum class PromptStyle { processor, chat };

/// error: (usage) not "processor" or "chat"
PromptStyle parse_prompt_style(std::string_view name);

/// Where a prompt takes vision rows: `count` positions from `first` on.
struct ImageSpan {
  i64 image = 0;  ///< index among the images given
  i64 first = 0;
  i64 count = 0;
};

struct Prompt {
  std::vector<std::int32_t> ids;
  std::vector<ImageSpan> images;  ///< in the order of the text; an image may occur more than once
};

/// The ids of a conversation that asks `question` about images of `image_rows[i]` merged tokens each. `<image-K>`,
/// K from 1, in the question stands for image K, `<image K><img>` + rows + `</img>`; images it does not name are put
/// before it in order.
/// error: (usage) the question is not UTF-8, contains `<IMG_CONTEXT>`, `<video-K>` or an `<image-K>` beyond the
/// images, or the images alone fill the model's sequence; (failed) an image without rows, a tokenizer without the template's special tokens
Prompt build_prompt(const Tokenizer& tokenizer, const SpecialTokens& special, const PromptText& question,
                    std::span<const i64> image_rows, PromptStyle style = PromptStyle::processor);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "prompt.cpp"
#endif
