#include "common/http/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace twi::http {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int NewSocket() { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }

// What has come on `from`; false at its end, or when `drop`.
bool PassOn(int from, int to, bool drop) {
  char buffer[16384];
  const ssize_t n = recv(from, buffer, sizeof buffer, 0);
  return n > 0 && !drop && send(to, buffer, static_cast<std::size_t>(n), MSG_NOSIGNAL) == n;
}

}  // namespace

Relay::Relay(int server_port) : server_port_(server_port), listener_(NewSocket()) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  if (pipe(stop_) != 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 16) != 0 || getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();  // a test without its relay tests nothing
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

Relay::~Relay() {
  close(stop_[1]);
  thread_.join();
  close(stop_[0]);
  close(listener_);
}

void Relay::Run() {
  while (Await(listener_, listener_)) {
    const int client = accept(listener_, nullptr, nullptr);
    if (client < 0) continue;
    ++connections_;
    Pass(client);
    close(client);
  }
}

void Relay::Pass(int client) {
  const int server = NewSocket();
  const sockaddr_in address = Loopback(server_port_);
  bool open = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  while (open && Await(client, server)) {
    pollfd ready[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    poll(ready, 2, 0);
    if (ready[0].revents != 0) open = PassOn(client, server, false);
    if (open && ready[1].revents != 0) open = PassOn(server, client, cut_.exchange(false));
  }
  close(server);
}

// Until one of the two has something to say; false when the relay is to end.
bool Relay::Await(int fd, int other) const {
  pollfd waiting[] = {{fd, POLLIN, 0}, {other, POLLIN, 0}, {stop_[0], POLLIN, 0}};
  poll(waiting, 3, -1);
  return waiting[2].revents == 0;
}

}  // namespace twi::http
