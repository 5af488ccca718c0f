#include "common/server/unix_listener.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::server {
namespace {

absl::Status Failed(const std::string& path, absl::string_view what) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("unix:", path, ": ", what));
}

// Makes room for our own: a daemon that was killed leaves its socket behind, at which the kernel then refuses
// connections.
absl::Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat st {};
  if (lstat(path.c_str(), &st) != 0) return absl::OkStatus();  // not there, or bind says what is wrong
  if (!S_ISSOCK(st.st_mode)) return Failed(path, "exists and is no socket");
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Failed(path, std::strerror(errno));
  const bool served = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int cause = errno;
  close(fd);
  if (served || cause == EAGAIN) return Failed(path, "is in use: another process serves this socket");
  if (cause != ECONNREFUSED) return Failed(path, absl::StrCat("is in use: ", std::strerror(cause)));
  unlink(path.c_str());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Start(const std::string& path, std::set<std::uint32_t> uids,
                                                                  Take take) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Failed(path, "longer than 107 bytes");
  std::memcpy(address.sun_path, path.data(), path.size());
  TWI_RETURN_IF_ERROR(RemoveStale(path, address));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Failed(path, std::strerror(errno));
  // Anybody may connect: who is served is decided by SO_PEERCRED, not by the socket's mode (the workload is usually
  // another user than the agent).
  struct stat st {};
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || lstat(path.c_str(), &st) != 0 ||
      chmod(path.c_str(), 0666) != 0 || listen(fd, 64) != 0) {
    const absl::Status failed = Failed(path, std::strerror(errno));
    close(fd);
    return failed;
  }
  const int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop < 0) {
    close(fd);
    return Failed(path, std::strerror(errno));
  }
  return std::unique_ptr<UnixListener>(
      new UnixListener({path, st.st_dev, st.st_ino}, std::move(uids), std::move(take), fd, stop));
}

UnixListener::UnixListener(File file, std::set<std::uint32_t> uids, Take take, int listen_fd, int stop_fd)
    : file_(std::move(file)),
      uids_(std::move(uids)),
      take_(std::move(take)),
      listen_fd_(listen_fd),
      stop_fd_(stop_fd),
      thread_([this] { AcceptLoop(); }) {}

UnixListener::~UnixListener() {
  const std::uint64_t one = 1;
  while (write(stop_fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
  thread_.join();
  // Before the descriptor is closed: as long as it is open nobody takes the socket for a stale one.
  struct stat st {};
  if (lstat(file_.path.c_str(), &st) == 0 && st.st_dev == file_.device && st.st_ino == file_.inode)
    unlink(file_.path.c_str());
  close(listen_fd_);
  close(stop_fd_);
}

void UnixListener::AcceptLoop() {
  pollfd fds[2] = {{listen_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
  while (true) {
    const int ready = poll(fds, 2, -1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0 || fds[1].revents != 0) return;
    AcceptOne();
  }
}

void UnixListener::AcceptOne() {
  namespace f = log::fields;
  const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      log::Error("accept_failed", {{f::kListen, file_.path}, {f::kDetail, std::strerror(errno)}});
      const timespec pause{0, 50'000'000};  // out of descriptors: not a busy loop until some are free
      nanosleep(&pause, nullptr);
    }
    return;
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof peer || uids_.count(peer.uid) == 0) {
    log::Warn("connection_refused", {{f::kListen, file_.path},
                                     {f::kPeer, absl::StrCat("uid:", peer.uid)},
                                     {f::kReason, "PEER_UNAUTHENTICATED"},
                                     {f::kDetail, absl::StrCat("expected uid:", absl::StrJoin(uids_, ", uid:"))}});
    close(fd);
    return;
  }
  take_(fd);
}

}  // namespace twi::server
