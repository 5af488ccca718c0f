// Mechanism B at the Credential Authority (passport).
//   B1..B3, B7, B8  workload_agent/mechanism_b.cc        B4..B6  verifier/verify_request.cc
//   B9   validates AR, has the Claims Mapper map AR      here
//   B10  signs                                           here, issue.cc
//   B11  returns the credential                          here
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FROM_RESULTS_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FROM_RESULTS_H_

#include "services/credential_authority/issue.h"

namespace twi::credential_authority {

absl::StatusOr<v1::IssueResponse> IssueFromResults(const AuthorityDeps& deps,
                                                   const v1::IssueFromResultsRequest& request,
                                                   const server::PeerIdentity& peer, absl::Time deadline);

// B9 and C9: map these results and validate the grant.
struct MappedGrant {
  Grant grant;
  std::string jws;
};
absl::StatusOr<MappedGrant> MapResults(const AuthorityDeps& deps, absl::string_view results_jws,
                                       const AttestedRequest& attested, absl::Time deadline);

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FROM_RESULTS_H_
