#include "services/workload_agent/acquirer.h"

#include <utility>

#include "common/client/credential_authority_client.h"
#include "common/client/key_store_client.h"
#include "common/client/verifier_client.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/agent_config.h"
#include "services/workload_agent/mechanism_a.h"
#include "services/workload_agent/mechanism_b.h"
#include "services/workload_agent/mechanism_c.h"
#include "services/workload_agent/mechanism_d.h"
#include "services/workload_agent/provisioned_credential.h"

namespace twi::agent {

absl::StatusOr<std::unique_ptr<Acquirer>> Acquirer::Make(const config::v1::WorkloadAgentConfig& config,
                                                         const Clock& clock) {
  TWI_RETURN_IF_ERROR(ValidateAgentConfig(config));
  // One for all attempts: it watches its files, with a thread and a copy of the key in memory.
  std::shared_ptr<client::Identity> platform;
  if (config.has_platform_certificate()) {
    TWI_ASSIGN_OR_RETURN(platform, client::Identity::FromFiles(config.platform_certificate()));
  }
  TWI_ASSIGN_OR_RETURN(std::unique_ptr<Attester> attester, MakeAttester(config.attester()));
  return std::unique_ptr<Acquirer>(new Acquirer(config, clock, std::move(attester), std::move(platform)));
}

absl::StatusOr<std::shared_ptr<client::Identity>> Acquirer::MakeIdentity() const {
  if (platform_ != nullptr) return platform_;
  return client::Identity::AttestedKey(config_.trust_bundle_file(), clock_.Now());
}

absl::StatusOr<AcquisitionTerms> Acquirer::MakeTerms() const {
  AcquisitionTerms terms;
  terms.rp_id = config_.rp_id();
  terms.target = config_.target();
  terms.key_type = CredentialKeyType(config_);
  terms.verifier_spiffe_id = config_.verifier().spiffe_id();
  terms.key_store_spiffe_id = config_.key_store().spiffe_id();
  TWI_ASSIGN_OR_RETURN(terms.anchors, ReadAnchors(config_.credential_trust_bundle_file()));
  TWI_ASSIGN_OR_RETURN(terms.wit_bundle, ReadWitBundle(config_));
  terms.workload_identifier = config_.workload_identifier();
  return terms;
}

absl::StatusOr<AcquiredCredential> Acquirer::Acquire() {
  const absl::Time deadline = clock_.Now() + kAttemptTimeout;
  TWI_ASSIGN_OR_RETURN(const AcquisitionTerms terms, MakeTerms());
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<client::Identity> identity, MakeIdentity());
  TWI_ASSIGN_OR_RETURN(const std::unique_ptr<client::VerifierClient> verifier,
                       client::MakeVerifierClient(config_.verifier(), *identity, clock_));
  switch (config_.mechanism()) {
    case config::v1::A:
      return AcquireByMechanismA({terms, *attester_, *verifier, identity->key_sha256(), clock_, deadline});
    case config::v1::B: {
      TWI_ASSIGN_OR_RETURN(const auto authority,
                           client::MakeCredentialAuthorityClient(config_.credential_authority(), *identity, clock_));
      return AcquireByMechanismB({terms, *attester_, *verifier, *authority, clock_, deadline});
    }
    case config::v1::C: {
      TWI_ASSIGN_OR_RETURN(const auto authority,
                           client::MakeCredentialAuthorityClient(config_.credential_authority(), *identity, clock_));
      return AcquireByMechanismC({terms, *attester_, *verifier, verifier_keys_, *authority, clock_, deadline});
    }
    case config::v1::D: {
      TWI_ASSIGN_OR_RETURN(const auto key_store, client::MakeKeyStoreClient(config_.key_store(), *identity, clock_));
      TWI_ASSIGN_OR_RETURN(const std::string key_id, ReadKeyId(config_.provisioned()));
      TWI_ASSIGN_OR_RETURN(v1::WorkloadCredential provisioned, ReadProvisionedCredential(config_.provisioned()));
      return AcquireByMechanismD(
          {terms, *attester_, *verifier, *key_store, key_id, std::move(provisioned), clock_, deadline});
    }
    default:
      return Deny(v1::DENY_REASON_CONFIG_INVALID, "mechanism: expected A, B, C or D");
  }
}

}  // namespace twi::agent
