#pragma once

#include <string>
#include <vector>

#include "../core/inline.hpp"
#include "../core/input_file.hpp"
#include "tokenizer_files.hpp"

namespace la::inline LA_ABI {

/// Reads a file {"text": id, ...}: `vocab.json`, `added_tokens.json`.
/// error: malformed JSON, a wrong type, an id that is no id
std::vector<TokenizerFiles::Token> read_token_map(const FileRef& file);

/// Reads the vocabulary, merges and added tokens of a `tokenizer.json`.
/// error: malformed JSON, a wrong type, an id that is no id, an added token without text or with two ids, a
/// normaliser, split or option that would need other rules than this model's
TokenizerFiles read_tokenizer_json(const FileRef& file);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "tokenizer_json.cpp"
#endif
