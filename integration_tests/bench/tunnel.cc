#include "integration_tests/bench/tunnel.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "integration_tests/attested_tls_deployment.h"
#include "integration_tests/bench/measure.h"

namespace twi::bench {
namespace {

constexpr std::size_t kChunk = 64 * 1024;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    if (fd < 0) Fail("atls.tunnel: no socket");
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  int fd() const { return fd_; }
  void Send(std::size_t bytes) const {
    const std::string chunk(std::min(bytes, kChunk), 'x');
    for (std::size_t sent = 0; sent < bytes;) {
      const ssize_t now = send(fd_, chunk.data(), std::min(chunk.size(), bytes - sent), MSG_NOSIGNAL);
      if (now <= 0) Fail("atls.tunnel: the egress takes no more");
      sent += static_cast<std::size_t>(now);
    }
  }
  void Receive(std::size_t bytes) const {
    std::string chunk(kChunk, '\0');
    for (std::size_t received = 0; received < bytes;) {
      const ssize_t now = recv(fd_, chunk.data(), chunk.size(), 0);
      if (now <= 0) Fail("atls.tunnel: the tunnel broke off");
      received += static_cast<std::size_t>(now);
    }
  }

 private:
  const int fd_;
};

int ListenAt(const Socket& listener) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  auto* at = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener.fd(), at, size) != 0 || listen(listener.fd(), 1) != 0 || getsockname(listener.fd(), at, &size) != 0)
    Fail("atls.tunnel: cannot listen");
  return ntohs(address.sin_port);
}

}  // namespace

double TunnelThroughput(std::size_t bytes, int rounds) {
  const Socket listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int workload = ListenAt(listener);
  integration::AttestedTlsDeployment deployment;
  deployment->StartAll();
  integration::Process ingress, egress;
  deployment.WriteAgent("A-snp", deployment.Ingress(workload));
  const int between = deployment.StartAgent("A-snp", "api", ingress);
  deployment.WriteAgent("B-snp", deployment.Egress(between));
  const sockaddr_in entrance = Loopback(deployment.StartAgent("B-snp", "out", egress));

  const Socket client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(client.fd(), reinterpret_cast<const sockaddr*>(&entrance), sizeof(entrance)) != 0)
    Fail("atls.tunnel: the egress does not listen");
  client.Send(1);  // so that the handshake and the appraisal are not measured
  const Socket server(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  server.Receive(1);
  std::vector<double> rates;
  for (int i = 0; i < rounds; ++i) {
    const double begin = WallMicros();
    std::thread sender([&] { client.Send(bytes); });
    server.Receive(bytes);
    rates.push_back(static_cast<double>(bytes) / (WallMicros() - begin));
    sender.join();
  }
  return Percentile(rates, 50);
}

}  // namespace twi::bench
