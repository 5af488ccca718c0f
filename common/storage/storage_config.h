// A config::v1::Storage, checked without opening or making anything: for --check-config, and before every start.
#ifndef TWI_COMMON_STORAGE_STORAGE_CONFIG_H_
#define TWI_COMMON_STORAGE_STORAGE_CONFIG_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::storage {

// What Database::Open and Sealer::FromConfig would refuse: the database's folder is there and writable, its files are
// this user's alone; the root key file is private, a key, and not beside the database. CONFIG_INVALID or STORAGE_FAILED
// at the place below `field`.
absl::Status CheckStorage(const config::v1::Storage& config, absl::string_view field);

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_STORAGE_CONFIG_H_
