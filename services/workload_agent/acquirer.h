// Carries out the mechanism that the config selects: opens the channels, calls acquire-by-mechanism, hands back what it
// got.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_ACQUIRER_H_
#define TWI_SERVICES_WORKLOAD_AGENT_ACQUIRER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "common/client/channel.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/workload_agent.pb.h"
#include "services/workload_agent/acquisition.h"
#include "services/workload_agent/attester.h"
#include "services/workload_agent/verifier_key_cache.h"

namespace twi::agent {

// One acquisition at a time.
class Acquirer {
 public:
  static constexpr absl::Duration kAttemptTimeout =
      absl::Seconds(30);  // for one acquisition, all calls and the Evidence together

  // `config` is validated (ValidateAgentConfig). `clock` must outlive the acquirer. CONFIG_INVALID, ATTESTER_FAILED.
  static absl::StatusOr<std::unique_ptr<Acquirer>> Make(const config::v1::WorkloadAgentConfig& config,
                                                        const Clock& clock);

  // A new attempt: new challenge, new Credential Key, new connections, and with attested_key a new TLS key. Files of
  // the config are read anew; those of platform_certificate whenever they change.
  absl::StatusOr<AcquiredCredential> Acquire();
  // Thread-safe; lives as long as the acquirer. For what else attests in this process: a TPM takes one user at a time.
  Attester& attester() { return *attester_; }

 private:
  Acquirer(config::v1::WorkloadAgentConfig config, const Clock& clock, std::unique_ptr<Attester> attester,
           std::shared_ptr<client::Identity> platform)
      : config_(std::move(config)), clock_(clock), attester_(std::move(attester)), platform_(std::move(platform)) {}
  absl::StatusOr<std::shared_ptr<client::Identity>> MakeIdentity() const;
  absl::StatusOr<AcquisitionTerms> MakeTerms() const;

  const config::v1::WorkloadAgentConfig config_;
  const Clock& clock_;
  const std::unique_ptr<Attester> attester_;
  const std::shared_ptr<client::Identity> platform_;  // of platform_certificate; null: a fresh key for each attempt
  VerifierKeyCache verifier_keys_;
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_ACQUIRER_H_
