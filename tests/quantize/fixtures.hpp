#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "../../la/io/json.hpp"
#include "../../la/weights/int4_checkpoint.hpp"
#include "../support.hpp"

// The weights of make_fixtures.py.
namespace la::test {

/// Written anew, once a process.
inline const std::string& fixtures() {
  static const TemporaryDirectory directory;
  static const std::string path = [] {
    const std::string root = directory / "packings";
    const std::string command = "python3 '" + source("tests/quantize/make_fixtures.py") + "' '" + root + "'";
    REQUIRE(std::system(command.c_str()) == 0);
    return root;
  }();
  return path;
}

struct Fixture {
  explicit Fixture(const std::string& name) : checkpoint(Checkpoint::open(fixtures() + "/" + name)) {
    const JsonFile file = JsonFile::open(fixtures() + "/" + name + "/fixture.json");
    outputs = file.root().at("outputs").integer(1, 1 << 20);
    inputs = file.root().at("inputs").integer(1, 1 << 20);
    if (const auto found = file.root().find("config")) {
      config.emplace();
      config->bits = found->at("bits").integer(1, 16);
      config->group_size = found->at("group_size").integer(-1, 1 << 20);
      config->quant_method = found->at("quant_method").string();
      for (const char* key : {"checkpoint_format", "packing_format"})
        if (const auto format = found->find(key)) config->packing_format = format->string();
    }
  }
  StoredInt4 find() const { return find_int4(checkpoint, config, "w", outputs, inputs).value(); }
  std::vector<float> expected() const {
    std::vector<float> values(std::size_t(outputs * inputs));
    read_f32(checkpoint.get("w.expected", {outputs, inputs}), 0, values);
    return values;
  }

  Checkpoint checkpoint;
  std::optional<QuantizationConfig> config;
  i64 outputs = 0, inputs = 0;
};

}  // namespace la::test
