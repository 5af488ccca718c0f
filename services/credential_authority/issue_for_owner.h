// Mechanism D, provisioning, at the Credential Authority.
//   P1 claims_mapper   P2, P6, P8 twictl provision   P3..P5 key_store/provision_key.cc
//   P6   the owner sends CSR + grant
//   P7   it signs                      here
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FOR_OWNER_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FOR_OWNER_H_

#include "services/credential_authority/issue.h"

namespace twi::credential_authority {

// `peer` must be the Workload Owner that the grant and the counter-signature name, and both must name the same release
// policy (GRANT_WRONG_KEY): the mapper has held the claims against it, the Key Store releases the key by it.
absl::StatusOr<v1::IssueResponse> IssueForOwner(const AuthorityDeps& deps, const v1::IssueForOwnerRequest& request,
                                                const server::PeerIdentity& peer, absl::Time deadline);

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FOR_OWNER_H_
