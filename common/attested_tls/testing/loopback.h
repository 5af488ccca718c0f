// Connections over socket pairs, driven by one thread.
#ifndef TWI_COMMON_ATTESTED_TLS_TESTING_LOOPBACK_H_
#define TWI_COMMON_ATTESTED_TLS_TESTING_LOOPBACK_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/attested_tls/endpoint.h"
#include "common/attested_tls/testing/fake_tee.h"
#include "common/testing/fake_clock.h"

namespace twi::atls::testing {

class SocketPair {
 public:
  SocketPair();  // AF_UNIX stream, non-blocking
  ~SocketPair();
  SocketPair(const SocketPair&) = delete;
  void Close(int end);
  void Renew();  // both ends
  int fd(int end) const { return fds_[end]; }

 private:
  int fds_[2] = {-1, -1};
};

// Wakes a poll from other threads.
class Waker {
 public:
  Waker();
  ~Waker();
  std::function<void()> callback() const;
  int fd() const;
  void Clear() const;

 private:
  struct Event;
  std::shared_ptr<const Event> event_;  // shared with the callbacks, which may outlive this
};

// Endpoint + connection over one end of a socket.
class End {
 public:
  // Fails the process when `settings` are refused.
  End(Settings settings, int fd, const Clock& clock, const Waker& waker);
  Progress Advance(absl::Time now);
  bool open() const { return progress_.state == Progress::State::kOpen; }
  bool closed() const { return progress_.state == Progress::State::kClosed; }
  const Progress& progress() const { return progress_; }
  Connection& operator*() { return *connection_; }
  Connection* operator->() { return connection_.get(); }
  int fd() const { return fd_; }
  // Everything that arrives until `size` bytes are there, the peer closes, or (10 s) nothing comes.
  std::string ReadAll(std::size_t size);
  void WriteAll(absl::string_view bytes);

 private:
  int fd_;
  std::unique_ptr<Endpoint> endpoint_;
  std::unique_ptr<Connection> connection_;
  Progress progress_;
};

// Calls every step again and again, waiting for sockets and workers between, until `done`; false after 20 s of real
// time.
bool DriveUntil(const Waker& waker, const std::vector<int>& fds, const std::function<void()>& step,
                const std::function<bool()>& done);

Settings ServerSettings(std::vector<Profile> profiles, std::shared_ptr<const Attester> attester);
Settings ClientSettings(std::vector<Profile> profiles, RelyingParty party);

}  // namespace twi::atls::testing

#endif  // TWI_COMMON_ATTESTED_TLS_TESTING_LOOPBACK_H_
