#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "../core/error.hpp"
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
                                                      {"outputs", std::to_string(e.outputs)},
                                                      {"rtn", std::to_string(e.rtn)},
                                                      {"search", std::to_string(e.search)},
                                                      {"feedback", std::to_string(e.feedback)},
                                                      {"refined", std::to_string(e.refined)}};
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
    w.errors = {std::stod(metadata.at("outputs")), std::stod(metadata.at("rtn")),
                std::stod(metadata.at("search")), std::stod(metadata.at("feedback")),
                std::stod(metadata.at("refined"))};
    return w;
  }

  void remove() const { std::filesystem::remove_all(directory_); }

 private:
  std::string path(const std::string& name) const { return (directory_ / (name + ".safetensors")).string(); }

  std::filesystem::path directory_;
  std::string settings_;
};

}  // namespace la::inline LA_ABI::detail
