#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "digest.hpp"
#include "la/la.hpp"

// Which model it was that answered.
namespace la::cli {

struct ModelName {
  std::string name;      ///< "ORG/NAME" of a Hugging Face snapshot, else the directory's own name
  std::string revision;  ///< the commit of a snapshot, else empty
};

inline ModelName model_name(const std::string& directory) {
  const std::filesystem::path path = std::filesystem::canonical(directory);
  const std::filesystem::path snapshots = path.parent_path();
  std::string repository = snapshots.parent_path().filename().string();
  if (snapshots.filename() != "snapshots" || !repository.starts_with("models--"))
    return {path.filename().string(), ""};
  repository.erase(0, 8);
  const std::size_t dashes = repository.find("--");
  if (dashes != repository.npos)
    repository = repository.substr(0, dashes) + '/' + repository.substr(dashes + 2);
  return {repository, path.filename().string()};
}

/// Of config.json and of the headers of all weight files: names, types, shapes and places, not the values.
inline std::uint64_t model_digest(const std::string& directory) {
  std::uint64_t digest = digest_of(read_whole_file(directory + "/config.json", 64 << 20));
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  for (const std::string& path : files) {
    std::ifstream file(path, std::ios::binary);
    unsigned char size[8] = {};
    file.read(reinterpret_cast<char*>(size), sizeof size);
    std::uint64_t bytes = 0;
    for (int i = 7; i >= 0; --i) bytes = bytes << 8 | size[i];
    require(file.good() && bytes <= 256u << 20, path, ": its header could not be read");
    std::string header(bytes, '\0');
    file.read(header.data(), std::streamsize(bytes));
    require(file.good(), path, ": its header could not be read");
    digest = digest_of(header, digest);
  }
  return digest;
}

/// weights: how they are held
inline std::string model_json(const std::string& directory, std::string_view weights) {
  const ModelName model = model_name(directory);
  return "{\"name\":" + json_quote(model.name) +
         (model.revision.empty() ? "" : ",\"revision\":" + json_quote(model.revision)) +
         ",\"weights\":" + json_quote(weights) + ",\"digest\":\"" + hex(model_digest(directory)) + "\"}";
}

}  // namespace la::cli
