#include "read_tokenizer_files.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "../core/error.hpp"
#include "../core/input_file.hpp"
#include "tokenizer_config.hpp"
#include "tokenizer_json.hpp"

namespace la::inline LA_ABI {

namespace detail {

/// Thirty times the longest published list.
inline constexpr std::size_t kMaxMergesBytes = std::size_t{64} << 20;

/// One merge a line. Only the first line may be a comment, "#version: ...": merges start with # as well.
inline std::vector<TokenizerFiles::Merge> read_merges_text(const std::string& path) {
  const std::string text = read_whole_file(path, kMaxMergesBytes);
  std::string_view rest = text;
  std::vector<TokenizerFiles::Merge> merges;
  for (bool first = true; !rest.empty(); first = false) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (first && line.starts_with("#version"))) continue;
    merges.push_back(split_merge(path, merges.size(), line));
  }
  return merges;
}

/// The form with a file for each part.
inline TokenizerFiles read_separate_files(const std::filesystem::path& root) {
  const std::string config = root / "tokenizer_config.json", added_map = root / "added_tokens.json";
  const bool has_added_map = std::filesystem::exists(added_map);
  TokenizerFiles files;
  files.vocabulary_path = root / "vocab.json";
  files.merges_path = root / "merges.txt";
  files.added_path = has_added_map ? added_map : config;
  files.vocabulary = read_token_map(files.vocabulary_path);
  files.merges = read_merges_text(files.merges_path);
  AddedTokenList added(files.added);
  if (has_added_map) {
    for (const auto& [text, id] : read_token_map(added_map)) added.add(added_map, text, id);
  }
  read_added_tokens_decoder(config, added);
  return files;
}

}  // namespace detail

LA_INLINE TokenizerFiles read_tokenizer_files(const std::string& directory) {
  const std::filesystem::path root(directory);
  const bool whole = std::filesystem::exists(root / "tokenizer.json");
  require(whole || std::filesystem::exists(root / "vocab.json"), directory,
          ": expected tokenizer.json, or vocab.json and merges.txt, found neither");
  TokenizerFiles files =
      whole ? read_tokenizer_json(root / "tokenizer.json") : detail::read_separate_files(root);
  files.model_max_length = read_model_max_length(root / "tokenizer_config.json");
  return files;
}

}  // namespace la::inline LA_ABI
