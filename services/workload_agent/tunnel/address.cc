#include "services/workload_agent/tunnel/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {
namespace {

constexpr int kBacklog = 1024;

absl::Status Invalid(absl::string_view text, absl::string_view expected) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("\"", std::string(text), "\": expected ", expected));
}

bool SplitPort(absl::string_view text, std::string& host, std::uint32_t& port) {
  const std::size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return false;
  if (!absl::SimpleAtoi(text.substr(colon + 1), &port) || port > 65535) return false;
  host = std::string(text.substr(0, colon));
  return true;
}

absl::StatusOr<Address> UnixAddress(absl::string_view text) {
  const absl::string_view path = text.substr(5);
  sockaddr_un address{};
  if (path.empty() || path[0] != '/' || path.size() >= sizeof(address.sun_path))
    return Invalid(text, "unix:/path of at most 107 bytes");
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  Address result;
  std::memcpy(&result.storage, &address, sizeof(address));
  result.size = sizeof(address);
  result.is_unix = result.is_loopback = true;
  return result;
}

// A socket in the file system on which nobody listens any more says so: connections are refused. Whatever else keeps us
// from connecting (no right to, a full backlog) says nothing of the kind, and then bind fails.
void RemoveStale(const Address& address) {
  const auto* unix_address = reinterpret_cast<const sockaddr_un*>(&address.storage);
  struct stat status {};
  if (lstat(unix_address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  const bool refused =
      connect(probe, reinterpret_cast<const sockaddr*>(unix_address), address.size) != 0 && errno == ECONNREFUSED;
  close(probe);
  if (refused) unlink(unix_address->sun_path);
}

}  // namespace

absl::StatusOr<Address> ParseAddress(absl::string_view text) {
  if (absl::StartsWith(text, "unix:")) return UnixAddress(text);
  std::string host;
  std::uint32_t port = 0;
  if (!SplitPort(text, host, port)) return Invalid(text, "ADDRESS:PORT or unix:/path");
  Address result;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address.sin6_addr) != 1)
      return Invalid(text, "a numeric address");
    result.is_loopback = IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
    std::memcpy(&result.storage, &address, result.size = sizeof(address));
    return result;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return Invalid(text, "a numeric address");
  result.is_loopback = (ntohl(address.sin_addr.s_addr) >> 24) == 127;
  std::memcpy(&result.storage, &address, result.size = sizeof(address));
  return result;
}

absl::Status ValidateHostPort(absl::string_view text) {
  std::string host;
  std::uint32_t port = 0;
  return SplitPort(text, host, port) && port > 0 ? absl::OkStatus() : Invalid(text, "HOST:PORT");
}

OwnedSocket::~OwnedSocket() {
  if (fd_ >= 0) close(fd_);
}

int OwnedSocket::Release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

absl::StatusOr<std::vector<Address>> ResolveHostPort(const std::string& text) {
  std::string host;
  std::uint32_t port = 0;
  if (!SplitPort(text, host, port)) return Invalid(text, "HOST:PORT");
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, absl::StrCat(host, ": ", gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    Address address;
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
    addresses.push_back(address);
  }
  return addresses;
}

absl::StatusOr<std::shared_ptr<OwnedSocket>> ConnectHostPort(const std::string& text, absl::Duration limit) {
  TWI_ASSIGN_OR_RETURN(const std::vector<Address> addresses, ResolveHostPort(text));
  const auto each = static_cast<int>(absl::ToInt64Milliseconds(limit / static_cast<std::int64_t>(addresses.size())));
  for (const Address& address : addresses) {
    const int fd = StartConnect(address);
    if (fd < 0) continue;
    auto socket = std::make_shared<OwnedSocket>(fd);
    pollfd wait{fd, POLLOUT, 0};
    poll(&wait, 1, each);
    if (ConnectingOf(fd) == Connecting::kDone) return socket;
  }
  return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, absl::StrCat(text, " does not answer"));
}

absl::StatusOr<int> Listen(const Address& address) {
  const int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const auto* raw = reinterpret_cast<const sockaddr*>(&address.storage);
  const int one = 1;
  bool ready = fd >= 0;
  if (ready && address.is_unix) {
    RemoveStale(address);
    ready = fchmod(fd, 0600) == 0;  // Linux: the mode of the file that bind makes
  } else if (ready) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));  // Linux: what is accepted has it too (tcp(7))
  }
  if (!ready || bind(fd, raw, address.size) != 0 || listen(fd, kBacklog) != 0) {
    const std::string why = std::strerror(errno);
    if (fd >= 0) close(fd);
    return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("cannot listen: ", why));
  }
  return fd;
}

int StartConnect(const Address& address) {
  const int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (!address.is_unix) {
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  }
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0 || errno == EINPROGRESS)
    return fd;
  close(fd);
  return -1;
}

Connecting ConnectingOf(int socket) {
  pollfd wait{socket, POLLOUT, 0};
  if (poll(&wait, 1, 0) != 1) return Connecting::kPending;
  int failed = 0;
  socklen_t size = sizeof(failed);
  const bool asked = getsockopt(socket, SOL_SOCKET, SO_ERROR, &failed, &size) == 0;
  return asked && failed == 0 ? Connecting::kDone : Connecting::kFailed;
}

bool SamePlace(const Address& a, const Address& b) {
  return a.size == b.size && std::memcmp(&a.storage, &b.storage, a.size) == 0 && (a.is_unix || PortOfAddress(a) != 0);
}

int PortOfAddress(const Address& address) {
  const sockaddr_storage& storage = address.storage;
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  return 0;
}

int PortOf(int socket) {
  Address address;
  address.size = sizeof(address.storage);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) return 0;
  return PortOfAddress(address);
}

}  // namespace twi::agent
