// Accepts connections on a Unix socket for a gRPC server, from one user only.
#ifndef TWI_COMMON_SERVER_UNIX_LISTENER_H_
#define TWI_COMMON_SERVER_UNIX_LISTENER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "grpcpp/server.h"

namespace twi::server {

// gRPC's own Unix listener does not tell who connects, so we accept ourselves, ask the kernel for the user of the
// process at the other end (SO_PEERCRED, as of connect()), close what is not `uid`, and hand the rest to gRPC.
class UnixListener {
 public:
  // Creates the socket (a stale one is replaced, any other file refused). CONFIG_INVALID. The server must be started
  // and must outlive the listener.
  static absl::StatusOr<std::unique_ptr<UnixListener>> Start(const std::string& path, std::uint32_t uid,
                                                             grpc::Server& server);
  ~UnixListener();  // stops accepting, removes the socket

 private:
  UnixListener(std::string path, std::uint32_t uid, grpc::Server& server, int listen_fd, int stop_fd);
  void AcceptLoop();
  void AcceptOne();

  const std::string path_;
  const std::uint32_t uid_;
  grpc::Server& server_;
  const int listen_fd_;
  const int stop_fd_;
  std::thread thread_;
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_UNIX_LISTENER_H_
