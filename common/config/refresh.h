// How long the keys of another service are used before they are fetched again.
#ifndef TWI_COMMON_CONFIG_REFRESH_H_
#define TWI_COMMON_CONFIG_REFRESH_H_

#include "absl/time/time.h"
#include "common/config/checks.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::config {

// The `refresh` of a KeySource; 5 minutes where it is not set.
inline absl::Duration RefreshOf(const v1::KeySource& source) {
  return DurationOr(source.has_refresh(), source.refresh(), absl::Minutes(5));
}

}  // namespace twi::config

#endif  // TWI_COMMON_CONFIG_REFRESH_H_
