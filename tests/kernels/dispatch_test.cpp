#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "kernel_check.hpp"

namespace la::test {
namespace {

/// Sets $LA_ISA, or removes it, and puts back what was there.
class IsaWish {
 public:
  explicit IsaWish(const char* value) {
    if (const char* old = ::getenv("LA_ISA")) old_ = old, was_set_ = true;
    value ? ::setenv("LA_ISA", value, 1) : ::unsetenv("LA_ISA");
  }
  ~IsaWish() { was_set_ ? ::setenv("LA_ISA", old_.c_str(), 1) : ::unsetenv("LA_ISA"); }

 private:
  std::string old_;
  bool was_set_ = false;
};

bool contains(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string failure(std::string_view isa) {
  try {
    kernels::select_isa(isa);
  } catch (const kernels::IsaError& e) {
    return e.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("dispatch: instruction sets are listed best first, scalar last") {
  const std::string_view order[] = {"amx",     "avx512vnni", "avx512",      "avxvnni", "avx2",  "neoni8mm",
                                    "neondot", "neon",       "wasmrelaxed", "wasm",    "scalar"};
  std::size_t at = 0;
  for (const kernels::Isa& isa : kernels::built_in_isas()) {
    CAPTURE(isa.name);
    while (at < std::size(order) && order[at] != isa.name) ++at;
    REQUIRE(at < std::size(order));
  }
  CHECK(kernels::built_in_isas().back().name == "scalar");
  CHECK(kernels::built_in_isas().back().supported());
}

TEST_CASE("dispatch: unasked, the first that this CPU runs, asked for one, exactly that") {
  const IsaWish none(nullptr);
  CHECK(kernels::select_isa().isa == runnable_isas()[0]->name);
  CHECK(kernels::select_isa("best").isa == runnable_isas()[0]->name);
  for (const kernels::Isa* isa : runnable_isas()) {
    CHECK(kernels::select_isa(isa->name).isa == isa->name);
    const IsaWish requested(std::string(isa->name).c_str());
    CHECK(kernels::select_isa().isa == isa->name);
    CHECK(kernels::select_isa("best").isa == isa->name);
    CHECK(kernels::select_isa("scalar").isa ==
          std::string_view("scalar"));  // an argument beats the environment
  }
}

TEST_CASE("dispatch: a set that is unknown or cannot run is an error which lists those that can") {
  const std::string unknown = failure("mmx");
  CHECK(unknown.find("'mmx'") != std::string::npos);
  CHECK(unknown.find("--isa") != std::string::npos);
  for (const kernels::Isa* isa : runnable_isas()) CHECK(unknown.find(isa->name) != std::string::npos);
  {
    const IsaWish requested("mmx");
    CHECK(failure("").find("LA_ISA") != std::string::npos);
  }
  for (const kernels::Isa& isa : kernels::built_in_isas()) {
    if (isa.supported()) continue;
    CHECK(failure(isa.name).find(isa.needs) != std::string::npos);
  }
}

TEST_CASE("dispatch: every entry of every table is filled, and vector sets override every float kernel") {
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    const kernels::Table table = kernels::select_isa(isa->name);
    std::uintptr_t entries[sizeof(table) / sizeof(std::uintptr_t)];
    std::memcpy(entries, &table, sizeof(table));
    CHECK(std::count(std::begin(entries), std::end(entries), 0) == 2);  // integer products of float formats
    CHECK(!table.qgemm[kernels::PanelFormat::f32]);
    CHECK(!table.qgemm[kernels::PanelFormat::bf16]);

    const auto names = kernels::overridden_kernels(*isa);
    if (isa->name == "scalar") {
      CHECK(names.empty());
      continue;
    }
    for (const char* kernel :
         {"gemm_f32", "gemm_bf16", "attention", "attention_merge", "layer_norm", "rms_norm",
          "rope_interleaved", "rope_halves", "gelu_tanh", "gelu_erf", "swiglu", "softmax"}) {
      CAPTURE(kernel);
      CHECK(contains(names, kernel));
    }
  }
}

}  // namespace la::test
