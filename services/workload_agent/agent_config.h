// The agent's config beyond form, and as our own types.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_AGENT_CONFIG_H_
#define TWI_SERVICES_WORKLOAD_AGENT_AGENT_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "proto/twi/config/v1/workload_agent.pb.h"
#include "services/workload_agent/rotation.h"

namespace twi::agent {

// What --check-config says: every field that the mechanism needs is there and none that contradicts it; ranges; files
// that must exist. Touches no TPM and no network. CONFIG_INVALID.
absl::Status ValidateAgentConfig(const config::v1::WorkloadAgentConfig& config);

// The following take a validated config.
std::string MechanismName(const config::v1::WorkloadAgentConfig& config);  // "A".."D"
crypto::KeyType CredentialKeyType(const config::v1::WorkloadAgentConfig& config);
RenewalSettings RenewalOf(const config::v1::WorkloadAgentConfig& config);
absl::Duration HookTimeout(const config::v1::WorkloadAgentConfig& config);

// The key id itself, or what key_id_file holds now. CONFIG_INVALID.
absl::StatusOr<std::string> ReadKeyId(const config::v1::ProvisionedKey& provisioned);

// The bundle of credential_wit_bundle_file as it is now; empty where none is configured. CONFIG_INVALID.
absl::StatusOr<std::string> ReadWitBundle(const config::v1::WorkloadAgentConfig& config);

// The anchors of credential_trust_bundle_file as it is now. CONFIG_INVALID.
absl::StatusOr<std::vector<crypto::Certificate>> ReadAnchors(const std::string& path);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_AGENT_CONFIG_H_
