// The smallest daemon there is: what daemon_test runs, and a template for main.cc.
#include "common/config/checks.h"
#include "common/server/daemon.h"
#include "common/server/echo_daemon.pb.h"
#include "common/server/echo_server.h"
#include "common/status/deny.h"

namespace twi::server {
namespace {

using testing::EchoDaemonConfig;

const EchoDaemonConfig& Typed(const google::protobuf::Message& config) {
  return static_cast<const EchoDaemonConfig&>(config);
}

absl::Status Validate(const google::protobuf::Message& config) {
  return config::Expect(Typed(config).text() != "bad", "text", "anything but bad");
}

class EchoDaemon final : public Running {
 public:
  absl::Status Start(const EchoDaemonConfig& config) {
    auto started = Server::Start(config.server(), clock_, [this](Gate& gate) {
      std::vector<NamedService> services;
      services.push_back({std::make_unique<EchoService>(gate, clock_, latch_), testing::Echo::service_full_name()});
      return services;
    });
    if (!started.ok()) return started.status();
    server_ = *std::move(started);
    return absl::OkStatus();
  }
  void Drain() override { server_->Drain(); }
  absl::Status Reload(const google::protobuf::Message& config) override {
    if (Typed(config).text() == "unloadable")
      return Deny(v1::DENY_REASON_CONFIG_INVALID, "text: cannot be changed to this");
    return absl::OkStatus();
  }
  int port() const override { return server_->port(); }

 private:
  SystemClock clock_;
  Latch latch_;
  std::unique_ptr<Server> server_;
};

}  // namespace
}  // namespace twi::server

int main(int argc, char** argv) {
  twi::server::DaemonSpec spec;
  spec.name = "echo";
  spec.summary = "says back what it is told (tests only)";
  spec.config = std::make_unique<twi::testing::EchoDaemonConfig>();
  spec.common.services = {twi::testing::Echo::service_full_name()};
  spec.reloadable = {"text"};
  spec.validate = twi::server::Validate;
  spec.start = [](const google::protobuf::Message& config) -> absl::StatusOr<std::unique_ptr<twi::server::Running>> {
    auto daemon = std::make_unique<twi::server::EchoDaemon>();
    if (absl::Status started = daemon->Start(twi::server::Typed(config)); !started.ok()) return started;
    return daemon;
  };
  return twi::server::RunDaemon(argc, argv, std::move(spec));
}
