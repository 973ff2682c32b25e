#include "read_tokenizer_files.hpp"

#include <algorithm>
#include <optional>
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
inline std::vector<TokenizerFiles::Merge> read_merges_text(const FileRef& file) {
  const std::string& path = file.path;
  const std::string text = read_whole_file(file, kMaxMergesBytes);
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
inline TokenizerFiles read_separate_files(const CheckpointFiles& source) {
  const FileRef vocabulary = source.file("vocab.json"), merges = source.file("merges.txt");
  const FileRef config = source.file("tokenizer_config.json");
  std::optional<FileRef> added_map;
  if (source.contains("added_tokens.json")) added_map = source.file("added_tokens.json");
  TokenizerFiles files;
  files.vocabulary_path = vocabulary.path;
  files.merges_path = merges.path;
  files.added_path = added_map ? added_map->path : config.path;
  files.vocabulary = read_token_map(vocabulary);
  files.merges = read_merges_text(merges);
  AddedTokenList added(files.added);
  if (added_map) {
    for (const auto& [text, id] : read_token_map(*added_map)) added.add(added_map->path, text, id);
  }
  read_added_tokens_decoder(config, added);
  return files;
}

}  // namespace detail

LA_INLINE TokenizerFiles read_tokenizer_files(const CheckpointFiles& source) {
  const bool whole = source.contains("tokenizer.json");
  require(whole || source.contains("vocab.json"), source.directory(),
          ": expected tokenizer.json, or vocab.json and merges.txt, found neither");
  TokenizerFiles files =
      whole ? read_tokenizer_json(source.file("tokenizer.json")) : detail::read_separate_files(source);
  files.model_max_length = read_model_max_length(source.file("tokenizer_config.json"));
  return files;
}

}  // namespace la::inline LA_ABI
