// The Credential Authority's config: what must be set for the mechanisms that it serves, and the defaults.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_AUTHORITY_CONFIG_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_AUTHORITY_CONFIG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "proto/twi/config/v1/credential_authority.pb.h"

namespace twi::credential_authority {

// CONFIG_INVALID: "field: expected ...".
absl::Status ValidateConfig(const config::v1::CredentialAuthorityConfig& config);

bool Serves(const config::v1::CredentialAuthorityConfig& config, const std::string& mechanism);
absl::Duration ChallengeLifetime(const config::v1::CredentialAuthorityConfig& config);
absl::Duration MaxResultsAge(const config::v1::CredentialAuthorityConfig& config);
absl::Duration MaxLifetime(const config::v1::CredentialAuthorityConfig& config);
absl::Duration Backdate(const config::v1::CredentialAuthorityConfig& config);

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_AUTHORITY_CONFIG_H_
