// Files that a command makes: always new, never over what is there.
#ifndef TWI_SERVICES_TWICTL_OUTPUT_FILES_H_
#define TWI_SERVICES_TWICTL_OUTPUT_FILES_H_

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace twi::twictl {

constexpr mode_t kPublicFile = 0644;
constexpr mode_t kSecretFile = 0600;

// CONFIG_INVALID when `path` exists (in any form, also as a symbolic link) or cannot be made. The mode is exactly
// `mode`, whatever the umask.
absl::Status MakeNewDirectory(const std::string& path, mode_t mode);
absl::Status WriteNewFile(const std::string& path, absl::string_view content, mode_t mode);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_OUTPUT_FILES_H_
