// workload-agent: drives the mechanism that its config selects. Assembles; decides nothing.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/server/daemon.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/agent.h"
#include "services/workload_agent/agent_config.h"
#include "services/workload_agent/workload_agent_service.h"

namespace {

using twi::config::v1::WorkloadAgentConfig;

const WorkloadAgentConfig& Cast(const google::protobuf::Message& config) {
  return static_cast<const WorkloadAgentConfig&>(config);
}

// RunDaemon keeps signals for its drain. One attempt has nothing to drain: they end it at once.
void LetSignalsEndThis() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

// --once: one attempt; 0 done, 1 refused. The loop logs a refusal; where that log is a file, the person at the terminal
// is told too.
int RunOnce(const WorkloadAgentConfig& config, const twi::Clock& clock, twi::crypto::Random& random) {
  LetSignalsEndThis();
  const auto agent = twi::agent::Agent::Make(config, clock, random);
  if (!agent.ok()) {
    twi::log::Error("could_not_start",
                    {{twi::log::fields::kReason, twi::DenyReasonName(twi::DenyReasonOf(agent.status()))},
                     {twi::log::fields::kDetail, std::string(agent.status().message())}});
  }
  const absl::Status status = agent.ok() ? (*agent)->AcquireOnce() : agent.status();
  if (!status.ok()) {
    const twi::DenyReason reason = twi::DenyReasonOf(status);
    if (!config.log().file().empty()) {
      std::fprintf(stderr, "workload-agent: refused: %s: %s\n", twi::DenyReasonName(reason).c_str(),
                   twi::DenyReasonSentence(reason).c_str());
    }
    return 1;
  }
  return std::printf("%s\n", (*agent)->GetStatus().workload_identifier().c_str()) > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  ::setenv("TSS2_LOG", "all+none", 0);  // tpm2-tss would write lines of its own; its errors are in the Status
  bool once = false;
  std::vector<char*> arguments;  // --once is this daemon's own; the rest is common/server/daemon.h's
  for (int i = 0; i < argc; ++i) {
    const bool is_once = std::string(argv[i]) == "--once";
    once = once || is_once;
    if (!is_once) arguments.push_back(argv[i]);
  }
  twi::SystemClock clock;
  twi::crypto::SystemRandom random;
  twi::server::DaemonSpec spec;
  spec.name = "workload-agent";
  spec.summary = "acquires the workload's credential and renews it; --once: one attempt, exit code 0 or 1";
  spec.config = std::make_unique<WorkloadAgentConfig>();
  spec.reloadable = {"attested_tls"};
  spec.validate = [](const google::protobuf::Message& config) { return twi::agent::ValidateAgentConfig(Cast(config)); };
  spec.start = [&](const google::protobuf::Message& config) -> absl::StatusOr<std::unique_ptr<twi::server::Running>> {
    TWI_ASSIGN_OR_RETURN(std::unique_ptr<twi::agent::Agent> agent,
                         twi::agent::Agent::Make(Cast(config), clock, random));
    TWI_RETURN_IF_ERROR(agent->Start());
    return std::unique_ptr<twi::server::Running>(std::move(agent));
  };
  spec.probe_at = [](const google::protobuf::Message& config) -> absl::StatusOr<twi::config::v1::Server> {
    if (Cast(config).listen().empty())
      return twi::Deny(twi::v1::DENY_REASON_CONFIG_INVALID, "listen is not set: there is no socket to ask at");
    return twi::agent::StatusServerConfig(Cast(config).listen());
  };
  if (once)
    spec.run_once = [&](const google::protobuf::Message& config) { return RunOnce(Cast(config), clock, random); };
  return twi::server::RunDaemon(static_cast<int>(arguments.size()), arguments.data(), std::move(spec));
}
