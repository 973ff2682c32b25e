#pragma once

#include <optional>
#include <string>

#include "../core/inline.hpp"

namespace la::inline LA_ABI {

/// What a look into the Hugging Face cache of this machine found; nothing is ever downloaded.
struct HubSnapshot {
  std::optional<std::string> directory;
  std::string explanation;  ///< one line: where it was, or every place looked at and what was missing there
};

/// The snapshot of ORG/NAME that `models--ORG--NAME/refs/main` names, in the first cache that has one with a
/// config.json: $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub,
/// ~/.cache/huggingface/hub. Variables that are unset or empty are passed over.
/// error: a usage error unless `model_id` is ORG/NAME; a refs/main that does not hold the name of a snapshot
HubSnapshot find_hub_snapshot(const std::string& model_id);

/// The directory of a checkpoint that is named by its directory (see `checkpoint_directory`) or by ORG/NAME in the Hugging
/// Face cache.
/// error: neither; the message tells where was looked
std::string model_directory(const std::string& directory_or_id);

/// The places to look for a checkpoint. Empty: not given.
struct CheckpointRequest {
  std::string model_dir;
  std::string model_id;
  std::string bundled;  ///< the directory to end with when there is no other
};

/// The directory to open: `model_dir`, else $LA_MODEL_DIR, either of which may be a `models--ORG--NAME` folder (see
/// `checkpoint_directory`), else the snapshot of `model_id`, else `bundled`.
/// error: none of them; the message tells where was looked
std::string find_checkpoint_directory(const CheckpointRequest& request);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "hub.cpp"
#endif
