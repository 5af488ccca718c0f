// The two macros of the project: hand a failed Status on, or take the value out of a StatusOr.
// (Abseil 20220623, Debian 12's, does not have them yet.)
#ifndef TWI_COMMON_STATUS_STATUS_MACROS_H_
#define TWI_COMMON_STATUS_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define TWI_STATUS_CONCAT_(a, b) a##b
#define TWI_STATUS_CONCAT(a, b) TWI_STATUS_CONCAT_(a, b)

#define TWI_RETURN_IF_ERROR(expr)                                              \
  do {                                                                         \
    if (absl::Status twi_status = (expr); !twi_status.ok()) return twi_status; \
  } while (false)

#define TWI_ASSIGN_OR_RETURN(lhs, expr) TWI_ASSIGN_OR_RETURN_(TWI_STATUS_CONCAT(twi_statusor_, __LINE__), lhs, expr)
#define TWI_ASSIGN_OR_RETURN_(var, lhs, expr)    \
  auto var = (expr);                             \
  if (!var.ok()) return std::move(var).status(); \
  lhs = std::move(var).value()

#endif  // TWI_COMMON_STATUS_STATUS_MACROS_H_
