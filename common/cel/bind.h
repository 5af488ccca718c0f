#ifndef TWI_COMMON_CEL_BIND_H_
#define TWI_COMMON_CEL_BIND_H_

#include <vector>

#include "absl/status/statusor.h"
#include "common/cel/plan.h"
#include "common/cel/program.h"

namespace twi::cel {

// The activation's values in the order of plan.variables, null for one that is not set. Refuses values nested deeper
// than the limit, because comparing them recurses.
absl::StatusOr<std::vector<const Value*>> BindVariables(const Plan& plan, const Activation& activation,
                                                        const EvalLimits& limits);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_BIND_H_
