#include "common/server/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"

namespace twi::server {

absl::Status NotifyServiceManager(absl::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return absl::OkStatus();
  const auto failed = [&](absl::string_view why) {
    return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("NOTIFY_SOCKET ", path, ": ", why));
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = std::strlen(path);
  if ((path[0] != '/' && path[0] != '@') || size < 2 || size >= sizeof address.sun_path)
    return failed("expected an absolute path or an abstract name");
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';  // abstract: not a file
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(std::strerror(errno));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  const bool sent = sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
                           length) == static_cast<ssize_t>(state.size());
  const int cause = errno;
  close(fd);
  return sent ? absl::OkStatus() : failed(std::strerror(cause));
}

}  // namespace twi::server
