// Mechanism C at the Credential Authority (background check; one round trip for the workload).
//   C1..C4  workload_agent/mechanism_c.cc
//   C5   asks the Verifier, giving the nonce that it issued itself      here
//   C6..C8  verifier/verify_request.cc
//   C9   Claims Mapper maps AR                                          here (MapResults)
//   C10  signs                                                          here, issue.cc
//   C11  returns the credential                                         here
// The Evidence is encrypted to the Verifier: this service is a conduit that cannot read it.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FROM_EVIDENCE_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FROM_EVIDENCE_H_

#include "services/credential_authority/issue.h"

namespace twi::credential_authority {

absl::StatusOr<v1::IssueResponse> IssueFromEvidence(const AuthorityDeps& deps,
                                                    const v1::IssueFromEvidenceRequest& request,
                                                    const server::PeerIdentity& peer, absl::Time deadline);

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FROM_EVIDENCE_H_
