#pragma once

#include <memory>

#include "../core/inline.hpp"
#include "ops.hpp"

namespace la::inline LA_ABI {

/// Runs every op on both, compares the results, and goes on with the subject's.
/// error: the first op whose results differ by more than `tolerance` of the oracle's largest magnitude
std::unique_ptr<Ops> make_check_ops(std::unique_ptr<Ops> subject, std::unique_ptr<Ops> oracle,
                                    double tolerance = 1e-4);

}  // namespace la::inline LA_ABI

#if !defined(LA_COMPILED)
#include "ops_check.cpp"
#endif
