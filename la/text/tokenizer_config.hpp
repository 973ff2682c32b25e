#pragma once

#include <cstdint>
#include <string>

#include "../core/inline.hpp"
#include "../core/input_file.hpp"
#include "tokenizer_files.hpp"

namespace la::inline LA_ABI {

/// `model_max_length` of a `tokenizer_config.json`, clamped to 2^31 - 1: the word for "no limit" is 10^30.
/// error: it is missing or not a whole number >= 1
std::int32_t read_model_max_length(const FileRef& file);

/// Adds the `added_tokens_decoder` of a `tokenizer_config.json`, if it has one.
/// error: a wrong type, an id that is no id, a token without text or with two ids, an option that is not supported
void read_added_tokens_decoder(const FileRef& file, detail::AddedTokenList& added);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "tokenizer_config.cpp"
#endif
