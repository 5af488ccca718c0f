// Reads a small file that the operator names: config, keys, certificates.
#ifndef TWI_COMMON_CONFIG_READ_FILE_H_
#define TWI_COMMON_CONFIG_READ_FILE_H_

#include <sys/stat.h>

#include <string>

#include "absl/status/statusor.h"

namespace twi::config {

struct ReadFileOptions {
  std::size_t max_bytes = 1 << 20;
  mode_t forbidden_mode = S_IWGRP | S_IWOTH;  // a file with any of these bits is refused; kPrivateFile for keys
};
constexpr mode_t kPrivateFile = S_IRWXG | S_IRWXO;

// The whole of a regular file. A mounted Secret (mounted_secret.h) may be read by its group. The checks are made on the
// open file, so it cannot be exchanged in between. CONFIG_INVALID "path: ...". For a secret: wipe the string
// (common/secret) after use.
absl::StatusOr<std::string> ReadFile(const std::string& path, const ReadFileOptions& options);

}  // namespace twi::config

#endif  // TWI_COMMON_CONFIG_READ_FILE_H_
