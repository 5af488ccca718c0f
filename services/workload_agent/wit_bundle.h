// Where the keys come from that a WIT is validated against, and that the workload is given: never from beside the WIT,
// which in mechanism A the Verifier hands on.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_WIT_BUNDLE_H_
#define TWI_SERVICES_WORKLOAD_AGENT_WIT_BUNDLE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/credential_authority_client.h"
#include "proto/twi/v1/workload_credential.pb.h"
#include "services/workload_agent/acquisition.h"

namespace twi::agent {

// B, C: that of credential_wit_bundle_file if there is one; else the configured Credential Authority is asked for it,
// which follows its rotation of keys. Empty for a credential without a WIT. (A has the file alone: there the agent
// knows no Credential Authority. D has provisioned.wit_bundle_file.) Errors: the Credential Authority's.
absl::StatusOr<std::string> WitBundleFor(const v1::WorkloadCredential& credential, const AcquisitionTerms& terms,
                                         client::CredentialAuthorityClient& authority, absl::Time deadline);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_WIT_BUNDLE_H_
