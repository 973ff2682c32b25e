#pragma once

#include <string>

#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// The directory that holds the files of the model: for the folder of a model in a Hugging Face cache
/// (`models--ORG--NAME`) the snapshot that its refs/main names, or its only one; any other directory itself.
/// error: such a folder that has neither; a path that is no directory, with what it is instead
std::string checkpoint_directory(const std::string& path);

/// What a directory without a checkpoint holds instead, for messages: ": found a GGUF file, ..." or nothing.
std::string describe_foreign_checkpoint(const std::string& directory);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "checkpoint_directory.cpp"
#endif
