// Socket addresses as config writes them: "127.0.0.1:8443", "[::1]:0", "unix:/path"; and sockets for them.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_ADDRESS_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_ADDRESS_H_

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace twi::agent {

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  bool is_unix = false;
  bool is_loopback = false;  // also of a Unix socket
};

// Numeric only; nothing is resolved. CONFIG_INVALID.
absl::StatusOr<Address> ParseAddress(absl::string_view text);
// "HOST:PORT" in form. CONFIG_INVALID.
absl::Status ValidateHostPort(absl::string_view text);

// The addresses of "HOST:PORT", at least one. Blocks when HOST is a name, for as long as the system's resolver likes:
// nothing can interrupt it. DEPENDENCY_UNAVAILABLE.
absl::StatusOr<std::vector<Address>> ResolveHostPort(const std::string& text);
using Resolver = std::function<absl::StatusOr<std::vector<Address>>(const std::string& host_port)>;

// A socket that is closed when nobody takes it.
class OwnedSocket {
 public:
  explicit OwnedSocket(int fd) : fd_(fd) {}
  ~OwnedSocket();
  OwnedSocket(const OwnedSocket&) = delete;
  OwnedSocket& operator=(const OwnedSocket&) = delete;
  int Release();

 private:
  int fd_;
};
// For a tool with one connection: resolves the name and connects, by each of its addresses in turn. Blocks, for `limit`
// besides the look-up. The socket is non-blocking. DEPENDENCY_UNAVAILABLE.
absl::StatusOr<std::shared_ptr<OwnedSocket>> ConnectHostPort(const std::string& text, absl::Duration limit);

// Non-blocking, close-on-exec. A Unix socket is made with mode 0600, in place of a stale one: one that refuses
// connections, for nobody listens on it. CONFIG_INVALID.
absl::StatusOr<int> Listen(const Address& address);
// Non-blocking; the connection may still be on its way. -1 when it fails at once.
int StartConnect(const Address& address);
enum class Connecting { kPending, kDone, kFailed };
// How the connection is doing that StartConnect began. Does not block; while it is kPending, wait for writable.
Connecting ConnectingOf(int socket);

// The same place to listen at. Port 0, which is another at each time, is the same as nothing.
bool SamePlace(const Address& a, const Address& b);
// 0 for a Unix socket.
int PortOf(int socket);
int PortOfAddress(const Address& address);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_ADDRESS_H_
