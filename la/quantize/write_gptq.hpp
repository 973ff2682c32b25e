#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "../core/pending_file.hpp"
#include "../io/safetensors_writer.hpp"
#include "../weights/pack_panel.hpp"
#include "plan.hpp"
#include "staging.hpp"

// The layout of other tools: GPTQ with zeros stored minus one, as AutoRound writes it.
namespace la::inline LA_ABI::detail {

/// Codes, zeros and scales of staged panels.
class PanelReader {
 public:
  explicit PanelReader(const StagedWeight& w)
      : panels_(w.file.find("panels")->bytes.data()),
        stride_(panel_bytes(w.format, w.inputs)),
        group_(group_size(w.format)) {}

  std::uint32_t code(i64 k, i64 n) const {
    return with_block(k / group_, n, [&](const auto& b, std::size_t c) {
      return std::uint32_t(get_code(b, k % group_, c));
    });
  }
  std::uint32_t zero(i64 g, i64 n) const {
    return with_block(g, n, [](const auto& b, std::size_t c) { return std::uint32_t(b.zero[c]); });
  }
  std::uint16_t scale(i64 g, i64 n) const {
    return std::uint16_t(
        with_block(g, n, [](const auto& b, std::size_t c) { return std::uint32_t(b.scale[c]); }));
  }

 private:
  template <class Read>
  std::uint32_t with_block(i64 g, i64 n, const Read& read) const {
    const std::byte* panel = panels_ + std::size_t(n / kernels::kPanel) * stride_;
    const auto c = std::size_t(n % kernels::kPanel);
    return group_ == 128 ? read(reinterpret_cast<const kernels::Q4Block<128>*>(panel)[g], c)
                         : read(reinterpret_cast<const kernels::Q4Block<32>*>(panel)[g], c);
  }

  const std::byte* panels_;
  std::size_t stride_;
  i64 group_;
};

/// A linear layer of the source: its rows, from one stack or several (q and kv of a vision block are one tensor).
struct GptqLinear {
  struct Slice {
    const StagedWeight* from;
    i64 first, count;
  };
  std::string name;  ///< without ".weight"
  i64 outputs = 0, inputs = 0, group = 0;
  std::vector<Slice> slices{};

  /// Calls body(reader, n) for every output, in order.
  template <class Body>
  void each_output(const Body& body) const {
    for (const Slice& s : slices) {
      const PanelReader reader(*s.from);
      for (i64 n = s.first; n < s.first + s.count; ++n) body(reader, n);
    }
  }
};

template <class Word>
TensorSource word_source(std::string name, DType type, std::vector<i64> shape,
                         std::function<std::vector<Word>()> make) {
  return {std::move(name), type, std::move(shape), [make](const TensorSource::Sink& sink) {
            const std::vector<Word> words = make();
            sink(std::as_bytes(std::span(words)));
          }};
}

inline void add_gptq_tensors(const GptqLinear& l, std::vector<TensorSource>& tensors) {
  const i64 rows = l.inputs / 8, groups = l.inputs / l.group;
  tensors.push_back(word_source<std::uint32_t>(l.name + ".qweight", DType::i32, {rows, l.outputs}, [l, rows] {
    std::vector<std::uint32_t> words;
    for (i64 r = 0; r < rows; ++r)
      l.each_output([&](const PanelReader& from, i64 n) {
        std::uint32_t word = 0;
        for (int j = 0; j < 8; ++j) word |= from.code(8 * r + j, n) << (4 * j);
        words.push_back(word);
      });
    return words;
  }));
  tensors.push_back(
      word_source<std::uint32_t>(l.name + ".qzeros", DType::i32, {groups, l.outputs / 8}, [l, groups] {
        std::vector<std::uint32_t> words(std::size_t(groups * l.outputs / 8));
        for (i64 g = 0; g < groups; ++g) {
          i64 at = g * l.outputs;
          l.each_output([&](const PanelReader& from, i64 n) {
            words[std::size_t(at / 8)] |= (from.zero(g, n) - 1) << (4 * (at % 8));
            ++at;
          });
        }
        return words;
      }));
  tensors.push_back(
      word_source<std::uint16_t>(l.name + ".scales", DType::f16, {groups, l.outputs}, [l, groups] {
        std::vector<std::uint16_t> halves;
        for (i64 g = 0; g < groups; ++g)
          l.each_output([&](const PanelReader& from, i64 n) { halves.push_back(from.scale(g, n)); });
        return halves;
      }));
}

/// 4-bit linear layers in place of their floats; all else as it is.
/// Returns the group size, 0 when nothing was quantised.
inline i64 write_gptq(const std::string& path, const Checkpoint& checkpoint,
                      const std::vector<PlannedWeight>& plan, const std::vector<StagedWeight>& staged) {
  std::map<std::string, GptqLinear> linears;
  i64 group = 0;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (!plan[i].int4()) continue;
    group = group_size(plan[i].format);
    for (const PlannedRows& rows : plan[i].rows) {
      GptqLinear& l = linears[rows.tensor];
      l.name = rows.tensor.substr(0, rows.tensor.rfind('.'));
      l.inputs = plan[i].inputs;
      l.group = group;
      l.outputs += rows.count;
      l.slices.push_back({&staged[i], rows.first, rows.count});
    }
  }
  std::vector<TensorSource> tensors;
  for (const auto& [tensor, l] : linears) add_gptq_tensors(l, tensors);
  for (const SafetensorsFile& file : checkpoint.files())
    for (const auto& [name, tensor] : file.tensors())
      if (!linears.contains(name)) tensors.push_back(copy_of(tensor));
  write_safetensors(path, {{"format", "pt"}}, tensors);
  return group;
}

/// Adds what other tools look for to config.json.
inline void add_quantization_config(const std::string& path, i64 group) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::size_t brace = text.find('{');
  require(in.good() && brace != std::string::npos, path, ": expected a JSON object");
  text.insert(brace + 1,
              "\n  \"quantization_config\": {\"bits\": 4, \"group_size\": " + std::to_string(group) +
                  ", \"sym\": false, \"desc_act\": false, \"quant_method\": \"gptq\", "
                  "\"checkpoint_format\": \"gptq\"},");
  PendingFile file(path);
  file.write(text.data(), text.size());
  file.finish();
}

}  // namespace la::inline LA_ABI::detail
