#pragma once

#include <string>

#include "../core/inline.hpp"
#include "../io/checkpoint_files.hpp"
#include "tokenizer_files.hpp"

namespace la::inline LA_ABI {

/// Reads `tokenizer.json` of a checkpoint, or else `vocab.json`, `merges.txt`, `added_tokens.json` and the
/// `added_tokens_decoder` of `tokenizer_config.json`. `model_max_length` is always that of `tokenizer_config.json`.
/// error: neither form is there, or a file is malformed (see read_tokenizer_json, read_token_map and
/// tokenizer_config.hpp)
TokenizerFiles read_tokenizer_files(const CheckpointFiles& source);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "read_tokenizer_files.cpp"
#endif
