#pragma once

#include <string>

#include "../cli/model_identity.hpp"

namespace la::cli {

/// The members of an answer that tell who made it.
inline std::string model_stamp(const std::string& directory, std::string_view weights,
                               const std::string& options) {
  return "\"model\":" + model_json(directory, weights) + ",\"options\":" + options;
}

}  // namespace la::cli
