#include "integration_tests/containers/plain_greeting.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"

namespace twi::containers {
namespace {

constexpr std::size_t kMaxLine = 256;

absl::Status Failed(const char* what) { return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno))); }

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return absl::InvalidArgumentError("socket path");
  path.copy(address.sun_path, path.size());
  return address;
}

void SetPatience(int fd) {
  const timeval two_seconds{2, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &two_seconds, sizeof two_seconds);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &two_seconds, sizeof two_seconds);
}

// Up to and without the line's end; empty when it does not come.
std::string ReadLine(int fd) {
  std::string line;
  for (char c; line.size() < kMaxLine && recv(fd, &c, 1, 0) == 1; line.push_back(c)) {
    if (c == '\n') return line;
  }
  return "";
}

bool WriteLine(int fd, const std::string& line) {
  const std::string text = line + "\n";
  return send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

}  // namespace

absl::StatusOr<std::unique_ptr<PlainGreetings>> PlainGreetings::Start(const std::string& path) {
  const absl::StatusOr<sockaddr_un> address = AddressOf(path);
  if (!address.ok()) return address.status();
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(path.c_str());
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 || listen(fd, 8) != 0) {
    const absl::Status status = Failed("plain socket");
    if (fd >= 0) close(fd);
    return status;
  }
  return std::unique_ptr<PlainGreetings>(new PlainGreetings(fd));
}

PlainGreetings::PlainGreetings(int listener) : listener_(listener), thread_([this] { Serve(); }) {}

PlainGreetings::~PlainGreetings() {
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

void PlainGreetings::Serve() const {
  for (int fd;
       (fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0 || errno == EINTR || errno == ECONNABORTED;) {
    if (fd < 0) continue;
    SetPatience(fd);
    for (std::string name; !(name = ReadLine(fd)).empty() && WriteLine(fd, "hello " + name);) {
    }
    close(fd);
  }
}

absl::Status GreetPlainly(const std::string& path, const std::string& name) {
  const absl::StatusOr<sockaddr_un> address = AddressOf(path);
  if (!address.ok()) return address.status();
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed("plain socket");
  SetPatience(fd);
  absl::Status status;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    status = Failed("the agent's egress");
  } else if (!WriteLine(fd, name)) {
    status = Failed("to the agent's egress");
  } else if (ReadLine(fd) != "hello " + name) {
    status = absl::UnavailableError("no greeting came back through the tunnel");
  }
  close(fd);
  return status;
}

}  // namespace twi::containers
