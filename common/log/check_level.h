// The names of the log's levels, for who checks a config before Init.
#ifndef TWI_COMMON_LOG_CHECK_LEVEL_H_
#define TWI_COMMON_LOG_CHECK_LEVEL_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace twi::log {

// CONFIG_INVALID "expected debug, ..., got ..." when Init (log.h) would not take it.
absl::Status CheckLevel(absl::string_view level);

}  // namespace twi::log

#endif  // TWI_COMMON_LOG_CHECK_LEVEL_H_
