#pragma once

#include <filesystem>
#include <locale>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "../core/error.hpp"
#include "../io/json_write.hpp"
#include "../io/safetensors_writer.hpp"
#include "../weights/packed_weight.hpp"
#include "quantize_options.hpp"

// Finished weights, one file each, until all are there: what makes a run resumable.
namespace la::inline LA_ABI::detail {

/// A finished weight: its panels in a mapped file.
struct StagedWeight {
  SafetensorsFile file;
  PanelFormat format = PanelFormat::f32;
  i64 outputs = 0, inputs = 0;
  QuantizeErrors errors;

  StoredPanels panels() const { return {format, outputs, inputs, file.find("panels"), file.mapping()}; }
};

class Staging {
 public:
  /// `settings` tells apart what was made another way.
  Staging(const std::string& out_dir, std::string settings)
      : directory_(std::filesystem::path(out_dir) / ".quantize"), settings_(std::move(settings)) {
    std::filesystem::create_directories(directory_);
  }

  void put(const std::string& name, const PackedWeight& w, const QuantizeErrors& e) const {
    const std::map<std::string, std::string> metadata{{"settings", settings_},
                                                      {"outputs", json_number(e.outputs)},
                                                      {"rtn", json_number(e.rtn)},
                                                      {"search", json_number(e.search)},
                                                      {"feedback", json_number(e.feedback)},
                                                      {"refined", json_number(e.refined)}};
    const std::span<const std::byte> bytes(w.panels(0), w.panel_bytes());
    write_safetensors(path(name), metadata,
                      {{"panels", DType::u8, {i64(bytes.size())}, [bytes](const TensorSource::Sink& sink) {
                          sink(bytes);
                        }}});
  }

  /// Nothing when it is not there, or was made another way.
  std::optional<StagedWeight> find(const std::string& name, PanelFormat format, i64 outputs,
                                   i64 inputs) const {
    if (!std::filesystem::exists(path(name))) return std::nullopt;
    StagedWeight w{SafetensorsFile::open(path(name)), format, outputs, inputs, {}};
    const StoredTensor* panels = w.file.find("panels");
    const auto& metadata = w.file.metadata();
    const auto settings = metadata.find("settings");
    if (!panels || settings == metadata.end() || settings->second != settings_ ||
        panels->bytes.size() != std::size_t(panel_count(outputs)) * panel_bytes(format, inputs))
      return std::nullopt;
    const auto number = [&metadata](const char* key, double& value) {
      const auto found = metadata.find(key);
      if (found == metadata.end()) return false;
      std::istringstream text(found->second);  // libc++ has no from_chars of double
      text.imbue(std::locale::classic());
      return bool(text >> value) && text.peek() == std::istringstream::traits_type::eof();
    };
    QuantizeErrors& e = w.errors;
    if (!number("outputs", e.outputs) || !number("rtn", e.rtn) || !number("search", e.search) ||
        !number("feedback", e.feedback) || !number("refined", e.refined))
      return std::nullopt;
    return w;
  }

  void remove() const { std::filesystem::remove_all(directory_); }

 private:
  std::string path(const std::string& name) const { return (directory_ / (name + ".safetensors")).string(); }

  std::filesystem::path directory_;
  std::string settings_;
};

}  // namespace la::inline LA_ABI::detail
