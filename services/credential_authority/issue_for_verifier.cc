#include "services/credential_authority/issue_for_verifier.h"

#include "common/status/status_macros.h"

namespace twi::credential_authority {

absl::StatusOr<v1::IssueResponse> IssueForVerifier(const AuthorityDeps& deps,
                                                   const v1::IssueForVerifierRequest& request,
                                                   const server::PeerIdentity& peer, absl::Time deadline) {
  TWI_RETURN_IF_ERROR(CheckMechanism(deps, "A"));
  // A8: the Verifier's word is not enough: its results must be signed, for us, and bound to this request; the claims
  // come from the mapper's grant alone.
  TWI_ASSIGN_OR_RETURN(const AttestedRequest attested, ValidateAttestedRequest(deps, request.attestation_results(),
                                                                               request.binding(), nullptr, deadline));
  TWI_ASSIGN_OR_RETURN(const Grant grant, ValidateGrantFor(deps, request.grant(), &attested, "", deadline));
  TWI_RETURN_IF_ERROR(CheckPolicyInForce(deps, grant, deadline));
  return Issue(deps, {"A", grant, request.grant(), attested.csr.public_key, request.forms(), &attested.results,
                      attested.results_sha256, attested.results.target, peer.ToString()});
}

}  // namespace twi::credential_authority
