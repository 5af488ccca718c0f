#include "services/twictl/output_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"

namespace twi::twictl {
namespace {

absl::Status CannotMake(const std::string& path) {
  const char* why = errno == EEXIST ? "is there already; nothing is overwritten" : std::strerror(errno);
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(path, ": ", why));
}

bool WriteAll(int fd, absl::string_view content) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return fsync(fd) == 0;
}

}  // namespace

absl::Status MakeNewDirectory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), 0700) != 0 || chmod(path.c_str(), mode) != 0) return CannotMake(path);
  return absl::OkStatus();
}

absl::Status WriteNewFile(const std::string& path, absl::string_view content, mode_t mode) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return CannotMake(path);
  bool good = WriteAll(fd, content) && fchmod(fd, mode) == 0;
  const int cause = errno;
  if (close(fd) != 0) good = false;
  if (good) return absl::OkStatus();
  errno = cause == EEXIST ? EIO : cause;
  return CannotMake(path);
}

}  // namespace twi::twictl
