#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "kernels.hpp"

// Kernels work without la and without a library of their own, as la's headers do.
#if defined(LA_COMPILED)
#define LA_KERNELS_INLINE
#else
#define LA_KERNELS_INLINE inline
#endif

namespace la::inline LA_ABI::kernels {

/// One instruction set: how its kernels enter a table, and whether this CPU has it.
struct Isa {
  std::string_view name;
  std::string_view needs;  ///< the CPU features, for people
  bool (*supported)() noexcept;
  void (*override_entries)(Table&) noexcept;
};

/// An instruction set that was asked for and cannot run: one line, which lists those that can.
struct IsaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The instruction sets built in, best first; scalar is the last. A compiled library has all of its architecture,
/// header-only use has scalar and the one that the including file is compiled for.
std::span<const Isa> built_in_isas() noexcept;

/// The table of an instruction set: scalar's, overridden by its own.
/// name: "" or "best" takes $LA_ISA, else the best that this CPU supports
/// error: IsaError for an unknown name, or one that this CPU or build lacks
Table select_isa(std::string_view name = {});

/// The names of the entries that `isa` overrides.
std::vector<std::string_view> overridden_kernels(const Isa& isa);

/// What to do about it when the only kernels here are scalar and this CPU could run faster ones; empty otherwise.
std::string scalar_only_warning();

}  // namespace la::inline LA_ABI::kernels

#if !defined(LA_COMPILED)
#include "dispatch.cpp"
#endif
