#include "services/workload_agent/tsm_reports.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status/deny.h"

namespace twi::agent {
namespace {

absl::Status ErrnoStatus(const std::string& path, int error) {
  const std::string what = absl::StrCat("configfs-tsm: ", path, ": ", std::strerror(error));
  if (error == EBUSY || error == EWOULDBLOCK) return absl::UnavailableError(what);
  if (error == ENOENT) return absl::NotFoundError(what);
  if (error == EEXIST) return absl::AlreadyExistsError(what);
  return Deny(v1::DENY_REASON_ATTESTER_FAILED, what);
}

class ConfigfsTsmReports final : public TsmReports {
 public:
  explicit ConfigfsTsmReports(std::string root) : root_(std::move(root)) {}

  absl::Status MakeReport(const std::string& name) override {
    const std::string path = Path(name);
    return ::mkdir(path.c_str(), 0700) == 0 ? absl::OkStatus() : ErrnoStatus(path, errno);
  }

  absl::Status RemoveReport(const std::string& name) override {
    const std::string path = Path(name);
    return ::rmdir(path.c_str()) == 0 ? absl::OkStatus() : ErrnoStatus(path, errno);
  }

  absl::Status Write(const std::string& name, absl::string_view attribute, absl::string_view bytes) override {
    const std::string path = absl::StrCat(Path(name), "/", attribute);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus(path, errno);
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    const int write_error = errno;
    const int closed = ::close(fd);  // configfs takes a binary attribute at close
    if (written != static_cast<ssize_t>(bytes.size())) return ErrnoStatus(path, written < 0 ? write_error : EIO);
    return closed == 0 ? absl::OkStatus() : ErrnoStatus(path, errno);
  }

  absl::StatusOr<std::string> Read(const std::string& name, absl::string_view attribute,
                                   std::size_t max_bytes) override {
    const std::string path = absl::StrCat(Path(name), "/", attribute);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus(path, errno);
    std::string bytes(max_bytes + 1, '\0');
    std::size_t size = 0;
    ssize_t n = 1;
    while (n != 0 && size < bytes.size()) {
      n = ::read(fd, &bytes[size], bytes.size() - size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) break;
      size += static_cast<std::size_t>(n);
    }
    const int read_error = errno;
    ::close(fd);
    if (n < 0) return ErrnoStatus(path, read_error);
    if (size > max_bytes) return ErrnoStatus(path, EFBIG);
    bytes.resize(size);
    return bytes;
  }

  // The kernel's contention ends when another reader's request to the firmware does: milliseconds.
  void Pause() override { absl::SleepFor(absl::Milliseconds(20)); }

 private:
  std::string Path(const std::string& name) const { return absl::StrCat(root_, "/", name); }
  const std::string root_;
};

}  // namespace

std::unique_ptr<TsmReports> MakeConfigfsTsmReports(const std::string& root) {
  return std::make_unique<ConfigfsTsmReports>(root.empty() ? "/sys/kernel/config/tsm/report" : root);
}

}  // namespace twi::agent
