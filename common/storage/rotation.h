// When signing keys rotate, and how long old ones stay published: a config::v1::SigningKeys with its defaults.
#ifndef TWI_COMMON_STORAGE_ROTATION_H_
#define TWI_COMMON_STORAGE_ROTATION_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::storage {

struct RotationPolicy {
  absl::Duration rotate_after;  // default 720h
  absl::Duration overlap;       // default 24h
};
RotationPolicy RotationOf(const config::v1::SigningKeys& config);

// Both are positive, and overlap is at most 16 times rotate_after. CONFIG_INVALID at the place below `field`.
absl::Status CheckSigningKeys(const config::v1::SigningKeys& config, absl::string_view field);

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_ROTATION_H_
