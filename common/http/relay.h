// Tests only: passes bytes between a client and a server, one connection after the other, and breaks one at the worst
// moment when told to.
#ifndef TWI_COMMON_HTTP_RELAY_H_
#define TWI_COMMON_HTTP_RELAY_H_

#include <atomic>
#include <thread>

namespace twi::http {

class Relay {
 public:
  explicit Relay(int server_port);  // on 127.0.0.1, as this is
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  int port() const { return port_; }
  int connections() const { return connections_; }  // so far
  // What the server says next is not passed on: the connection ends instead. Then all is as before.
  void CutNextAnswer() { cut_ = true; }

 private:
  void Run();
  void Pass(int client);
  bool Await(int fd, int other) const;

  const int server_port_;
  int port_ = 0, listener_ = -1, stop_[2] = {-1, -1};
  std::atomic<int> connections_{0};
  std::atomic<bool> cut_{false};
  std::thread thread_;
};

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_RELAY_H_
