// The agent assembled from its config: attester, acquirer, directory, hook, loop, status service.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_AGENT_H_
#define TWI_SERVICES_WORKLOAD_AGENT_AGENT_H_

#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/random.h"
#include "common/server/daemon.h"
#include "common/server/metrics_listener.h"
#include "common/server/server.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/workload_agent.pb.h"
#include "services/workload_agent/acquirer.h"
#include "services/workload_agent/agent_loop.h"
#include "services/workload_agent/credential_directory.h"
#include "services/workload_agent/drain_limit.h"
#include "services/workload_agent/expiry_watch.h"
#include "services/workload_agent/own_certificates.h"
#include "services/workload_agent/tunnel/tunnels.h"

namespace twi::agent {

class Agent final : public server::Running {
 public:
  // `clock` and `random` must outlive the agent. What retrying cannot mend ends it here: CONFIG_INVALID,
  // ATTESTER_FAILED (no TEE, no TPM, no AK).
  static absl::StatusOr<std::unique_ptr<Agent>> Make(const config::v1::WorkloadAgentConfig& config, const Clock& clock,
                                                     crypto::Random& random);
  ~Agent() override;

  // --once: one attempt; OK when the credential is installed.
  absl::Status AcquireOnce() { return loop_->AcquireOnce(); }
  // Starts the loop, the watch over the credential's end (also of one that a predecessor left) and, if configured, the
  // status service.
  absl::Status Start();
  v1::GetAgentStatusResponse GetStatus() const { return loop_->GetStatus(); }

  // At most kDrainLimit, until this is destroyed: then the process ends with exit code 1 (drain_limit.h).
  void Drain() override;
  // SIGHUP: attest anew now, unless `log` or attested_tls has changed, which then is all that it does (tunnels that are
  // open stay). Where attested_tls begins or ends: CONFIG_INVALID, a restart applies it. Nothing else of the config
  // changes without one.
  absl::Status Reload(const google::protobuf::Message& config) override;
  int port() const override { return 0; }
  // With the first credential: what waits for the agent finds one.
  bool TellsReady() const override { return true; }

 private:
  static constexpr absl::Duration kDrainLimit = absl::Seconds(8);  // less than what `docker stop` gives, 10 s

  Agent(config::v1::WorkloadAgentConfig config, const Clock& clock, crypto::Random& random,
        std::unique_ptr<Acquirer> acquirer, std::unique_ptr<CredentialDirectory> directory);
  absl::Status Install(const AcquiredCredential& acquired);
  void WatchWhatIsThere();
  absl::StatusOr<std::unique_ptr<OwnCertificates>> WatchOwnCertificates(
      const config::v1::WorkloadAgentConfig& wanted) const;
  void ShowOwnCertificates(std::unique_ptr<OwnCertificates> own);
  void RunConfiguredHook();

  DrainLimit drain_limit_{kDrainLimit, [] { EndUndrained(kDrainLimit); }};  // first: outlives what may hang
  const config::v1::WorkloadAgentConfig config_;                            // as started: threads read it
  config::v1::WorkloadAgentConfig reloaded_;  // as of the last SIGHUP; only Reload uses it
  const Clock& clock_;
  crypto::Random& random_;
  const std::unique_ptr<Acquirer> acquirer_;
  const std::unique_ptr<CredentialDirectory> directory_;
  metrics::Metrics metrics_;
  SystemWaiter waiter_;
  std::unique_ptr<AgentLoop> loop_;
  SystemWaiter expiry_waiter_;
  ExpiryWatch expiry_;
  std::unique_ptr<server::Server> status_server_;
  std::unique_ptr<OwnCertificates> own_certificates_;
  metrics::Metrics::Token ready_, own_end_;  // own_end_ asks own_certificates_
  std::unique_ptr<server::MetricsListener> metrics_listener_;
  std::unique_ptr<Tunnels> tunnels_;
  std::thread thread_, expiry_thread_;
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_AGENT_H_
