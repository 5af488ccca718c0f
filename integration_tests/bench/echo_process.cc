#include "integration_tests/bench/echo_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/read_file.h"
#include "common/server/server.h"
#include "common/status/status_macros.h"
#include "common/time/clock.h"
#include "grpcpp/grpcpp.h"
#include "integration_tests/bench/bench_echo.grpc.pb.h"
#include "integration_tests/bench/measure.h"

namespace twi::bench {
namespace {

class GatedEcho final : public BenchEcho::Service {
 public:
  explicit GatedEcho(server::Gate& gate) : gate_(gate) {}
  grpc::Status Echo(grpc::ServerContext* context, const EchoRequest* request, EchoResponse* response) override {
    return server::Handle(gate_, *context, "Echo", [&](const server::Call&) {
      response->set_payload(std::string(request->response_size(), 'e'));
      return absl::OkStatus();
    });
  }

 private:
  server::Gate& gate_;
};

class BareEcho final : public BenchEcho::CallbackService {
 public:
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const EchoRequest* request,
                                 EchoResponse* response) override {
    response->set_payload(std::string(request->response_size(), 'e'));
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

absl::StatusOr<std::unique_ptr<grpc::Server>> StartBare(const config::v1::Tls& tls, BareEcho& service, int* port) {
  config::ReadFileOptions private_file;
  TWI_ASSIGN_OR_RETURN(const std::string key, config::ReadFile(tls.key_file(), private_file));
  TWI_ASSIGN_OR_RETURN(const std::string certificate, config::ReadFile(tls.certificate_file(), {}));
  TWI_ASSIGN_OR_RETURN(const std::string roots, config::ReadFile(tls.trust_bundle_file(), {}));
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = roots;
  options.pem_key_cert_pairs.push_back({key, certificate});
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), port);
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || *port == 0) return absl::InternalError("the bare echo server does not listen");
  return server;
}

}  // namespace

int ServeEcho(const config::v1::Tls& tls) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  config::v1::Server config;
  config.set_listen("127.0.0.1:0");
  *config.mutable_tls() = tls;
  auto* allow = config.add_allow();
  allow->set_rpc("Echo");
  allow->add_peers(kEchoClientId);
  SystemClock clock;
  const auto gate = OrFail(
      server::Server::Start(config, clock,
                            [](server::Gate& gate) {
                              std::vector<server::NamedService> services;
                              services.push_back({std::make_unique<GatedEcho>(gate), BenchEcho::service_full_name()});
                              return services;
                            }),
      "echo server");
  BareEcho service;
  int bare_port = 0;
  const auto bare = OrFail(StartBare(tls, service, &bare_port), "bare echo server");
  std::printf("%d %d\n", gate->port(), bare_port);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  bare->Shutdown(std::chrono::system_clock::now());
  gate->Drain();
  return 0;
}

absl::StatusOr<EchoProcess> EchoProcess::Start(const config::v1::Tls& tls) {
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) return absl::InternalError("pipe");
  EchoProcess process;
  // Everything that the child does between fork and exec is prepared here: other threads may hold locks.
  const std::string certificate = tls.certificate_file(), key = tls.key_file(), bundle = tls.trust_bundle_file();
  const char* const argv[] = {"bench", "--serve-echo", certificate.c_str(), key.c_str(), bundle.c_str(), nullptr};
  process.pid_ = fork();
  if (process.pid_ == 0) {
    dup2(to[0], STDIN_FILENO);
    dup2(from[1], STDOUT_FILENO);
    execv("/proc/self/exe", const_cast<char**>(argv));
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  process.stdin_ = to[1];
  std::FILE* out = fdopen(from[0], "r");
  const int read = std::fscanf(out, "%d %d", &process.gate_port_, &process.bare_port_);
  std::fclose(out);
  if (process.pid_ < 0 || read != 2) return absl::InternalError("the echo process did not start");
  return process;
}

EchoProcess::EchoProcess(EchoProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      stdin_(std::exchange(other.stdin_, -1)),
      gate_port_(other.gate_port_),
      bare_port_(other.bare_port_) {}

EchoProcess::~EchoProcess() {
  if (stdin_ >= 0) close(stdin_);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
}

}  // namespace twi::bench
