#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../la/core/inline.hpp"
#include "kernels.hpp"

namespace la::kernels {

/// One instruction set: how its kernels enter a table, and whether this CPU has it.
struct Isa {
  std::string_view name;
  std::string_view needs;  ///< the CPU features, for people
  bool (*supported)() noexcept;
  void (*override_entries)(Table&) noexcept;
};

/// The instruction sets built in, best first; scalar is the last. A compiled library has all of its architecture,
/// header-only use has scalar and the one that the including file is compiled for.
std::span<const Isa> built_in_isas() noexcept;

/// The table of an instruction set: scalar's, overridden by its own.
/// name: "" or "best" takes $LA_ISA, else the best that this CPU supports
/// error: an unknown name, or one that this CPU or build lacks; the message lists those that can run
Table select_isa(std::string_view name = {});

/// The names of the entries that `isa` overrides.
std::vector<std::string_view> overridden_kernels(const Isa& isa);

/// What to do about it when the only kernels here are scalar and this CPU could run faster ones; empty otherwise.
std::string scalar_only_warning();

}  // namespace la::kernels

#if !defined(LA_COMPILED)
#include "dispatch.cpp"
#endif
