#include "services/workload_agent/agent.h"

#include <string>
#include <utility>
#include <vector>

#include "common/config/load_yaml.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/server/notify.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/util/message_differencer.h"
#include "services/workload_agent/agent_config.h"
#include "services/workload_agent/hook.h"
#include "services/workload_agent/install_credential.h"
#include "services/workload_agent/workload_agent_service.h"

namespace twi::agent {
namespace {

// To a service manager, if there is one. Before the hook, which may start what waits for this.
void TellReady() {
  const absl::Status told = server::NotifyServiceManager("READY=1");
  if (!told.ok()) log::Error("service_manager", {{log::fields::kDetail, std::string(told.message())}});
}

}  // namespace

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
      reloaded_(config_),
      clock_(clock),
      random_(random),
      acquirer_(std::move(acquirer)),
      directory_(std::move(directory)),
      waiter_(clock),
      expiry_waiter_(clock),
      expiry_(clock, expiry_waiter_, [this] { return directory_->Withdraw(); }) {
  loop_ = std::make_unique<AgentLoop>(AgentLoopDeps{
      MechanismName(config_),
      [this] { return acquirer_->Acquire(); },
      [this](const AcquiredCredential& acquired) { return Install(acquired); },
      [this] { RunConfiguredHook(); },
      RenewalOf(config_),
      clock,
      random,
      waiter_,
      &metrics_,
      TellReady,
  });
}

Agent::~Agent() { Drain(); }

absl::Status Agent::Start() {
  server::SetBuildInfo(metrics_, "workload-agent");
  if (!config_.listen().empty()) {
    TWI_ASSIGN_OR_RETURN(status_server_, ServeStatus(config_.listen(), *loop_, clock_, &metrics_));
  }
  if (status_server_ == nullptr)  // else it shows this
    ready_ = metrics_.Sample("twi_ready", {}, [this] { return loop_->Ready().ok() ? 1 : 0; });
  TWI_ASSIGN_OR_RETURN(std::unique_ptr<OwnCertificates> own, WatchOwnCertificates(config_));
  ShowOwnCertificates(std::move(own));
  if (config_.has_metrics()) {
    TWI_ASSIGN_OR_RETURN(metrics_listener_,
                         server::MetricsListener::Start(config_.metrics(), "metrics", metrics_, clock_));
  }
  if (config_.has_attested_tls()) {
    TWI_ASSIGN_OR_RETURN(
        tunnels_, Tunnels::Start(
                      config_.attested_tls(),
                      [this](const v1::Binding& binding) { return acquirer_->attester().Attest(binding); }, clock_,
                      random_, metrics_));
  }
  WatchWhatIsThere();
  expiry_thread_ = std::thread([this] { expiry_.Run(); });
  thread_ = std::thread([this] { loop_->Run(); });
  return absl::OkStatus();
}

void Agent::Drain() {
  drain_limit_.Begin();
  loop_->Stop();
  if (tunnels_ != nullptr) tunnels_->Drain();
  if (thread_.joinable()) thread_.join();
  expiry_.Stop();
  if (expiry_thread_.joinable()) expiry_thread_.join();
  if (status_server_ != nullptr) status_server_->Drain();
}

absl::Status Agent::Reload(const google::protobuf::Message& config) {
  using google::protobuf::util::MessageDifferencer;
  const auto& wanted = static_cast<const config::v1::WorkloadAgentConfig&>(config);
  if (wanted.has_attested_tls() != (tunnels_ != nullptr)) {
    return config::AtField("attested_tls", wanted.has_attested_tls()
                                               ? "cannot begin while the agent runs: restart it to apply this"
                                               : "cannot end while the agent runs: restart it to apply this");
  }
  if (tunnels_ != nullptr && !MessageDifferencer::Equals(wanted.attested_tls(), reloaded_.attested_tls())) {
    TWI_ASSIGN_OR_RETURN(std::unique_ptr<OwnCertificates> own, WatchOwnCertificates(wanted));
    TWI_RETURN_IF_ERROR(tunnels_->Reload(wanted.attested_tls()));
    ShowOwnCertificates(std::move(own));
  } else if (MessageDifferencer::Equals(wanted, reloaded_)) {
    loop_->RenewNow();  // what changed is no reason to attest anew
  }
  reloaded_ = wanted;
  return absl::OkStatus();
}

absl::Status Agent::Install(const AcquiredCredential& acquired) {
  TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> anchors,
                       ReadAnchors(config_.credential_trust_bundle_file()));
  return expiry_.Install(acquired.facts.not_after,
                         [&] { return directory_->Replace(CredentialFiles(acquired, anchors)); });
}

void Agent::WatchWhatIsThere() {
  const absl::optional<absl::Time> end = EndOfInstalled(directory_->path());
  if (end.has_value()) expiry_.Found(*end);
}

// Of platform_certificate what is in force until a restart; none where nobody can ask for metrics.
absl::StatusOr<std::unique_ptr<OwnCertificates>> Agent::WatchOwnCertificates(
    const config::v1::WorkloadAgentConfig& wanted) const {
  if (!config_.has_metrics()) return std::make_unique<OwnCertificates>();
  config::v1::WorkloadAgentConfig in_force = config_;
  if (wanted.has_attested_tls()) *in_force.mutable_attested_tls() = wanted.attested_tls();
  return OwnCertificates::Watch(in_force, clock_);
}

void Agent::ShowOwnCertificates(std::unique_ptr<OwnCertificates> own) {
  own_end_.reset();  // it asks the old ones
  own_certificates_ = std::move(own);
  if (own_certificates_->empty()) return;
  own_end_ = metrics_.Sample("twi_certificate_expiry_timestamp_seconds", {}, [this] {
    return static_cast<double>(absl::ToUnixSeconds(own_certificates_->FirstEnd()));
  });
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
