#pragma once

#include <memory>

#include "../core/inline.hpp"
#include "../core/team.hpp"
#include "ops.hpp"

namespace la::inline LA_ABI {

/// Plain loops, double accumulators, one sum after the other: the oracle and the documentation.
/// team: none: one of its own, of `threads`
std::unique_ptr<Ops> make_reference_ops(int threads = 0,
                                        ActivationFormat activations = ActivationFormat::auto_,
                                        std::shared_ptr<Team> team = nullptr);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "ops_reference.cpp"
#endif
