// Accepts connections on a Unix socket, from named users only.
#ifndef TWI_COMMON_SERVER_UNIX_LISTENER_H_
#define TWI_COMMON_SERVER_UNIX_LISTENER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

namespace twi::server {

// gRPC's own Unix listener does not tell who connects, so we accept ourselves, ask the kernel for the user of the
// process at the other end (SO_PEERCRED, as of connect()), close what is not of `uids`, and hand on the rest.
class UnixListener {
 public:
  // Called in the listener's own thread with a connected, non-blocking descriptor, which is the callee's from then on.
  using Take = std::function<void(int fd)>;
  // Creates the socket. One at which nobody listens any more is replaced; one that somebody serves, and any other file,
  // is refused. CONFIG_INVALID. What `take` uses must outlive the listener.
  static absl::StatusOr<std::unique_ptr<UnixListener>> Start(const std::string& path, std::set<std::uint32_t> uids,
                                                             Take take);
  ~UnixListener();  // stops accepting, removes the socket, if it is still its own that lies there

 private:
  struct File {  // the socket in the file system
    std::string path;
    dev_t device;
    ino_t inode;
  };
  UnixListener(File file, std::set<std::uint32_t> uids, Take take, int listen_fd, int stop_fd);
  void AcceptLoop();
  void AcceptOne();

  const File file_;
  const std::set<std::uint32_t> uids_;
  const Take take_;
  const int listen_fd_;
  const int stop_fd_;
  std::thread thread_;
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_UNIX_LISTENER_H_
