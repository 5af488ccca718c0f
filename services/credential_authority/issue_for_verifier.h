// Mechanism A at the Credential Authority: A8, it checks AR, grant, PoP and signs. The whole sequence:
// verifier/request_credential.h.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FOR_VERIFIER_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FOR_VERIFIER_H_

#include "services/credential_authority/issue.h"

namespace twi::credential_authority {

// `peer` is a Verifier (allow-list); the workload's channel key is the one in the results, which that Verifier vouches
// for.
absl::StatusOr<v1::IssueResponse> IssueForVerifier(const AuthorityDeps& deps,
                                                   const v1::IssueForVerifierRequest& request,
                                                   const server::PeerIdentity& peer, absl::Time deadline);

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FOR_VERIFIER_H_
