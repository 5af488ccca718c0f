// P8 as the agent sees it: the credential that the Workload Owner put into files. Public, so any way there is fine;
// untrusted until it matches the released key.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_PROVISIONED_CREDENTIAL_H_
#define TWI_SERVICES_WORKLOAD_AGENT_PROVISIONED_CREDENTIAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/twi/config/v1/workload_agent.pb.h"
#include "proto/twi/v1/workload_credential.pb.h"

namespace twi::agent {

// Form only: the PEM chain parses and is not empty; with wit_file also the WIT (white space around it removed), not
// empty, and its bundle (wit_bundle_file: the owner's word, so here that field is trust). Validity is
// ValidateCredential's. CONFIG_INVALID.
absl::StatusOr<v1::WorkloadCredential> ReadProvisionedCredential(const config::v1::ProvisionedKey& config);

// What it makes of the content of the files: credential_file's chain, wit_file's text. `name` is the file's.
absl::StatusOr<v1::WorkloadCredential> CredentialFromPem(absl::string_view pem, absl::string_view name);
absl::StatusOr<std::string> WitFromText(absl::string_view text, absl::string_view name);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_PROVISIONED_CREDENTIAL_H_
