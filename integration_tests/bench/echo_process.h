// The server of floor.rpc, in a process of its own so that its CPU is accounted apart: the bench binary itself, started
// again with --serve-echo.
#ifndef TWI_INTEGRATION_TESTS_BENCH_ECHO_PROCESS_H_
#define TWI_INTEGRATION_TESTS_BENCH_ECHO_PROCESS_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::bench {

constexpr char kEchoServerId[] = "spiffe://bench.example/twi/echo";
constexpr char kEchoClientId[] = "spiffe://bench.example/twi/client";

// The body of --serve-echo: two servers with one certificate, until standard input ends. Prints their ports:
//   gate  common/server, as every daemon is served: TLS 1.3, allow-list, deadline, metrics;
//   bare  a gRPC callback server and nothing else: what the library costs.
int ServeEcho(const config::v1::Tls& tls);

class EchoProcess {
 public:
  // Starts /proc/self/exe --serve-echo with the files of `tls`.
  static absl::StatusOr<EchoProcess> Start(const config::v1::Tls& tls);
  EchoProcess(EchoProcess&& other) noexcept;
  EchoProcess(const EchoProcess&) = delete;
  ~EchoProcess();  // ends it and waits

  pid_t pid() const { return pid_; }
  int gate_port() const { return gate_port_; }
  int bare_port() const { return bare_port_; }

 private:
  EchoProcess() = default;
  pid_t pid_ = -1;
  int stdin_ = -1;
  int gate_port_ = 0, bare_port_ = 0;
};

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_ECHO_PROCESS_H_
