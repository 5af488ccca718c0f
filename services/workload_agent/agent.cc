#include "services/workload_agent/agent.h"

#include <utility>
#include <vector>

#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/util/message_differencer.h"
#include "services/workload_agent/agent_config.h"
#include "services/workload_agent/hook.h"
#include "services/workload_agent/install_credential.h"
#include "services/workload_agent/workload_agent_service.h"

namespace twi::agent {

absl::StatusOr<std::unique_ptr<Agent>> Agent::Make(const config::v1::WorkloadAgentConfig& config, const Clock& clock,
                                                   crypto::Random& random) {
  TWI_ASSIGN_OR_RETURN(std::unique_ptr<Acquirer> acquirer, Acquirer::Make(config, clock));
  TWI_ASSIGN_OR_RETURN(std::unique_ptr<CredentialDirectory> directory,
                       CredentialDirectory::Open(config.output().directory()));
  return std::unique_ptr<Agent>(new Agent(config, clock, random, std::move(acquirer), std::move(directory)));
}

Agent::Agent(config::v1::WorkloadAgentConfig config, const Clock& clock, crypto::Random& random,
             std::unique_ptr<Acquirer> acquirer, std::unique_ptr<CredentialDirectory> directory)
    : config_(std::move(config)),
      clock_(clock),
      acquirer_(std::move(acquirer)),
      directory_(std::move(directory)),
      waiter_(clock) {
  loop_ = std::make_unique<AgentLoop>(AgentLoopDeps{
      MechanismName(config_),
      [this] { return acquirer_->Acquire(); },
      [this](const AcquiredCredential& acquired) { return Install(acquired); },
      [this] { RunConfiguredHook(); },
      RenewalOf(config_),
      clock,
      random,
      waiter_,
  });
}

Agent::~Agent() { Drain(); }

absl::Status Agent::Start() {
  if (!config_.listen().empty()) {
    TWI_ASSIGN_OR_RETURN(status_server_, ServeStatus(config_.listen(), *loop_, clock_));
  }
  thread_ = std::thread([this] { loop_->Run(); });
  return absl::OkStatus();
}

void Agent::Drain() {
  loop_->Stop();
  if (thread_.joinable()) thread_.join();
  if (status_server_ != nullptr) status_server_->Drain();
}

absl::Status Agent::Reload(const google::protobuf::Message& config) {
  auto wanted = static_cast<const config::v1::WorkloadAgentConfig&>(config);
  const bool same = google::protobuf::util::MessageDifferencer::Equals(wanted, config_);
  wanted.clear_log();
  auto at_start = config_;
  at_start.clear_log();
  if (!google::protobuf::util::MessageDifferencer::Equals(wanted, at_start)) {
    return Deny(v1::DENY_REASON_CONFIG_INVALID, "the config has changed: restart the agent to apply it");
  }
  if (same) loop_->RenewNow();  // a changed log level is no reason to attest anew
  return absl::OkStatus();
}

absl::Status Agent::Install(const AcquiredCredential& acquired) {
  TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> anchors,
                       ReadAnchors(config_.credential_trust_bundle_file()));
  return directory_->Replace(CredentialFiles(acquired, anchors));
}

void Agent::RunConfiguredHook() {
  const std::vector<std::string> arguments = HookArguments(config_.output().hook());
  if (arguments.empty()) return;
  const HookResult result = RunHook(arguments, directory_->path(), HookTimeout(config_));
  if (result.status.ok()) {
    log::Info("hook_done", {{"output", result.output}});
  } else {
    log::Error("hook_failed", {{log::fields::kReason, DenyReasonName(DenyReasonOf(result.status))},
                               {log::fields::kDetail, std::string(result.status.message())},
                               {"output", result.output}});
  }
}

}  // namespace twi::agent
