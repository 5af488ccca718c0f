#include "services/credential_authority/issue_from_evidence.h"

#include "common/binding/binding.h"
#include "common/status/status_macros.h"
#include "services/credential_authority/issue_from_results.h"

namespace twi::credential_authority {

absl::StatusOr<v1::IssueResponse> IssueFromEvidence(const AuthorityDeps& deps,
                                                    const v1::IssueFromEvidenceRequest& request,
                                                    const server::PeerIdentity& peer, absl::Time deadline) {
  TWI_RETURN_IF_ERROR(CheckMechanism(deps, "C"));
  // C5: our own challenge, to this channel, once; and nothing is sent on that is not well-formed.
  TWI_RETURN_IF_ERROR(ValidateBinding(request.binding()));
  TWI_RETURN_IF_ERROR(deps.challenges.Redeem(request.binding().nonce(), peer.key_sha256, deps.clock.Now()));
  v1::AppraiseForRelyingPartyRequest appraise;
  *appraise.mutable_encrypted_evidence() = request.encrypted_evidence();
  *appraise.mutable_binding() = request.binding();
  appraise.mutable_binding()->set_rp_id(deps.rp_id);
  appraise.set_channel_key_sha256(peer.key_sha256);
  TWI_ASSIGN_OR_RETURN(const v1::AppraiseResponse appraised,
                       deps.verifier->AppraiseForRelyingParty(appraise, deadline));

  // C8, C9
  TWI_ASSIGN_OR_RETURN(
      const AttestedRequest attested,
      ValidateAttestedRequest(deps, appraised.attestation_results(), request.binding(), &peer.key_sha256, deadline));
  TWI_ASSIGN_OR_RETURN(const MappedGrant mapped, MapResults(deps, appraised.attestation_results(), attested, deadline));
  // C10, C11
  return Issue(deps, {"C", mapped.grant, mapped.jws, attested.csr.public_key, request.forms(), &attested.results,
                      attested.results_sha256, attested.results.target, peer.ToString()});
}

}  // namespace twi::credential_authority
