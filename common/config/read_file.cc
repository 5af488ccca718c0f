#include "common/config/read_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/config/mounted_secret.h"
#include "common/status/deny.h"

namespace twi::config {

absl::StatusOr<std::string> ReadFile(const std::string& path, const ReadFileOptions& options) {
  const auto error = [&](absl::string_view what) {
    return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(path, ": ", what));
  };
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return error(std::strerror(errno));
  struct Closer {
    int fd;
    ~Closer() { close(fd); }
  } closer{fd};
  struct stat st {};
  if (fstat(fd, &st) != 0) return error(std::strerror(errno));
  if (!S_ISREG(st.st_mode)) return error("expected a regular file");
  if ((st.st_mode & options.forbidden_mode & (S_IRGRP | S_IROTH)) != 0 && !IsMountedSecret(st))
    return error("group or others may read this file; chmod go-rwx");
  if ((st.st_mode & options.forbidden_mode & ~(S_IRGRP | S_IROTH)) != 0)
    return error("group or others may write to this file; chmod go-w");
  if (static_cast<std::uint64_t>(st.st_size) > options.max_bytes) {
    return error(absl::StrCat("expected at most ", options.max_bytes, " bytes, got ", st.st_size));
  }
  // One buffer of the full size, so that a secret leaves no copies behind in freed memory.
  std::string text(options.max_bytes < (64u << 10) ? options.max_bytes + 1 : static_cast<std::size_t>(st.st_size) + 1,
                   '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(fd, &text[size], text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error(std::strerror(errno));
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size == text.size()) return error("the file grew while it was read, or is over its limit");
  text.resize(size);
  return text;
}

}  // namespace twi::config
