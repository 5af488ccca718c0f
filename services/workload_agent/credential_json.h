// The credential that stands in the Attestation Results of mechanism A.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_CREDENTIAL_JSON_H_
#define TWI_SERVICES_WORKLOAD_AGENT_CREDENTIAL_JSON_H_

#include <string>

#include "absl/status/statusor.h"
#include "proto/twi/v1/workload_credential.pb.h"

namespace twi::agent {

// Of the claim twi_workload_credential: a WorkloadCredential as protobuf's JSON, at most 128 KiB, no unknown member.
// Form only. CREDENTIAL_INVALID.
absl::StatusOr<v1::WorkloadCredential> CredentialFromJson(const std::string& text);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_CREDENTIAL_JSON_H_
