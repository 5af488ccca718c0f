#include "services/workload_agent/wit_bundle.h"

#include "common/status/status_macros.h"

namespace twi::agent {

absl::StatusOr<std::string> WitBundleFor(const v1::WorkloadCredential& credential, const AcquisitionTerms& terms,
                                         client::CredentialAuthorityClient& authority, absl::Time deadline) {
  if (credential.wit().empty() || !terms.wit_bundle.empty()) return terms.wit_bundle;
  TWI_ASSIGN_OR_RETURN(const v1::GetTrustBundleResponse published, authority.GetTrustBundle(deadline));
  return published.jwks();
}

}  // namespace twi::agent
