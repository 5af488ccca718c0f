#ifndef TWI_COMMON_CEL_BIND_H_
#define TWI_COMMON_CEL_BIND_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/cel/plan.h"
#include "common/cel/program.h"

namespace twi::cel {

// The activation's values in the order of plan.variables, null for one that is not set. Refuses values nested deeper
// than the limit, because comparing them recurses.
absl::StatusOr<std::vector<const Value*>> BindVariables(const Plan& plan, const Activation& activation,
                                                        const EvalLimits& limits);

// What one evaluation may cost, and the taking of what it cost from the units that it shares with others.
inline int64_t BudgetOf(const EvalLimits& limits) {
  return limits.shared_cost == nullptr ? limits.max_cost : std::min(limits.max_cost, *limits.shared_cost);
}
inline void Spend(const EvalLimits& limits, int64_t cost) {
  if (limits.shared_cost != nullptr) *limits.shared_cost = std::max<int64_t>(0, *limits.shared_cost - cost);
}

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_BIND_H_
