#pragma once

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "cases.hpp"
#include "la/core/error.hpp"
#include "la/quantize/quantize.hpp"

// The quantised copies that are compared.
namespace la::scenes {

struct Recipe {
  const char* name;
  QuantizeFormat format;
  QuantizeMethod method;
};

inline constexpr std::array<Recipe, 4> kRecipes{
    {{"q8", QuantizeFormat::q8, QuantizeMethod::rtn},
     {"q4-rtn", QuantizeFormat::q4, QuantizeMethod::rtn},
     {"q4", QuantizeFormat::q4, QuantizeMethod::calibrated},
     {"mixed", QuantizeFormat::mixed, QuantizeMethod::calibrated}}};

inline const Recipe& recipe_named(const std::string& name) {
  for (const Recipe& r : kRecipes)
    if (name == r.name) return r;
  fail_usage("--formats: expected bf16, q8, q4-rtn, q4, mixed or NAME=DIR, found '", name, "'");
}

/// Quantised copies, removed at the end.
class Copies {
 public:
  explicit Copies(std::string checkpoint) : checkpoint_(std::move(checkpoint)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "la-accuracy-XXXXXX").string();
    require(::mkdtemp(pattern.data()) != nullptr, pattern, ": cannot be made");
    directory_ = pattern;
  }
  Copies(const Copies&) = delete;
  ~Copies() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::string make(const Recipe& recipe) const {
    constexpr int kSamples = 128;
    QuantizeOptions options;
    options.format = recipe.format;
    options.method = recipe.method;
    if (recipe.method == QuantizeMethod::calibrated) options.samples = draw_calibration_samples(kSamples);
    const std::string path = (directory_ / recipe.name).string();
    const QuantizeErrors e = quantize(checkpoint_, path, options).errors;
    if (e.outputs > 0)
      std::printf(
          "%s: error of the outputs: round to nearest %.3e, scale search %.3e, error feedback %.3e, "
          "refinement %.3e\n",
          recipe.name, e.rtn / e.outputs, e.search / e.outputs, e.feedback / e.outputs,
          e.refined / e.outputs);
    return path;
  }

 private:
  std::string checkpoint_;
  std::filesystem::path directory_;
};

}  // namespace la::scenes
