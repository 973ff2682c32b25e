#pragma once

#include <string_view>

#include "../../kernels/abi.hpp"

namespace la::inline LA_ABI {

/// Whether a file holds what Git leaves in place of a large one that it has not fetched.
/// source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
inline bool is_git_lfs_pointer(std::string_view bytes) noexcept {
  return bytes.starts_with("version https://git-lfs.github.com/spec/");
}

/// For messages: "expected weights, found ..."
inline constexpr const char* kGitLfsPointer =
    "a Git LFS pointer in place of the file, which `git lfs pull` fetches";

}  // namespace la::inline LA_ABI
