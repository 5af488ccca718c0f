#include "common/storage/private_file.h"

#include <unistd.h>

#include "absl/strings/str_format.h"

namespace twi::storage {

std::string WhyNotPrivate(const struct stat& file) {
  if (!S_ISREG(file.st_mode)) return "is not a regular file";
  if (file.st_uid != geteuid() && file.st_uid != 0) return absl::StrFormat("belongs to user %d", file.st_uid);
  if ((file.st_mode & 077) != 0) {
    return absl::StrFormat("may be used by group or others (mode %04o, expected 0600)", file.st_mode & 07777);
  }
  return "";
}

}  // namespace twi::storage
