#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// What a look into the Hugging Face cache of this machine found; nothing is ever downloaded.
struct HubSnapshot {
  std::optional<std::string> directory;
  std::string explanation;  ///< one line: where it was, or every place looked at and what was missing there
  /// Whether a cache holds something of this model. Without a directory it is broken: its download did not end.
  bool begun = false;
};

/// Whether it is ORG/NAME or ORG/NAME@REVISION, as Hugging Face allows them.
bool is_model_id(std::string_view text) noexcept;

/// The snapshot of ORG/NAME or ORG/NAME@REVISION in the first cache that has it with a config.json: $HF_HUB_CACHE,
/// $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub. Variables that are
/// unset or empty are passed over; `~` at their start is $HOME. A revision is a branch or tag, whose snapshot
/// `models--ORG--NAME/refs/REVISION` names, or a commit, the name of a snapshot. Without one it is `main`, or the only
/// snapshot where there is no refs/main.
/// error: (usage) not a model id; a ref that does not hold the name of a snapshot; a cache that cannot be read; several
/// snapshots, a revision to choose by not given and no refs/main
HubSnapshot find_hub_snapshot(const std::string& model_id);

/// The directory of a checkpoint that is named by its directory (see `checkpoint_directory`) or by ORG/NAME in the Hugging
/// Face cache.
/// error: neither; the message tells where was looked
std::string model_directory(const std::string& directory_or_id);

/// The places to look for a checkpoint. Empty: not given.
struct CheckpointRequest {
  std::string model_dir;
  std::string model_id;  ///< ORG/NAME[@REVISION]
  std::string bundled;   ///< the directory to end with when there is no other
};

/// The directory to open: `model_dir`, else $LA_MODEL_DIR, either of which may be a `models--ORG--NAME` folder (see
/// `checkpoint_directory`), else the snapshot of `model_id`, else `bundled`.
/// error: none of them, or a cache has something of `model_id` and no whole snapshot; the message tells where was looked
std::string find_checkpoint_directory(const CheckpointRequest& request);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "hub.cpp"
#endif
