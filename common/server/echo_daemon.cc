// The smallest daemon there is: what daemon_test runs, and a template for main.cc.
#include "common/config/checks.h"
#include "common/log/log.h"
#include "common/server/daemon.h"
#include "common/server/echo_daemon.pb.h"
#include "common/server/echo_server.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::server {
namespace {

using testing::EchoDaemonConfig;

const EchoDaemonConfig& Typed(const google::protobuf::Message& config) {
  return static_cast<const EchoDaemonConfig&>(config);
}

absl::Status Validate(const google::protobuf::Message& config) {
  const EchoDaemonConfig& c = Typed(config);
  TWI_RETURN_IF_ERROR(config::Expect(c.text() != "bad", "text", "anything but bad"));
  return config::Expect(c.text() != "thing" || c.has_insecure_thing(), "text", "insecure_thing beside it");
}

class EchoDaemon final : public Running {
 public:
  absl::Status Start(const EchoDaemonConfig& config) {
    auto started =
        Server::Start(config.server(), clock_, OneService(testing::Echo::service_full_name(), [this](Gate& gate) {
                        return std::make_unique<EchoService>(gate, clock_, latch_);
                      }));
    if (!started.ok()) return started.status();
    server_ = *std::move(started);
    return absl::OkStatus();
  }
  void Drain() override { server_->Drain(); }
  absl::Status Reload(const google::protobuf::Message& config) override {
    if (Typed(config).text() == "unloadable")
      return Deny(v1::DENY_REASON_CONFIG_INVALID, "text: cannot be changed to this");
    if (Typed(config).text() == "heard") log::Error("heard");  // at every level, before the level changes
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
