#include "services/credential_authority/issue_from_results.h"

#include "common/status/status_macros.h"

namespace twi::credential_authority {

absl::StatusOr<MappedGrant> MapResults(const AuthorityDeps& deps, absl::string_view results_jws,
                                       const AttestedRequest& attested, absl::Time deadline) {
  TWI_ASSIGN_OR_RETURN(std::string jws, deps.claims_mapper->MapClaims(v1::INPUT_KIND_ATTESTATION_RESULTS, results_jws,
                                                                      deps.rp_id, deadline));
  TWI_ASSIGN_OR_RETURN(Grant grant, ValidateGrantFor(deps, jws, &attested, "", deadline));
  return MappedGrant{std::move(grant), std::move(jws)};
}

absl::StatusOr<v1::IssueResponse> IssueFromResults(const AuthorityDeps& deps,
                                                   const v1::IssueFromResultsRequest& request,
                                                   const server::PeerIdentity& peer, absl::Time deadline) {
  TWI_RETURN_IF_ERROR(CheckMechanism(deps, "B"));
  // B9: the workload that calls must be the one that the Verifier saw (channel key), with the key that it attested.
  TWI_ASSIGN_OR_RETURN(
      const AttestedRequest attested,
      ValidateAttestedRequest(deps, request.attestation_results(), request.binding(), &peer.key_sha256, deadline));
  TWI_ASSIGN_OR_RETURN(const MappedGrant mapped, MapResults(deps, request.attestation_results(), attested, deadline));
  // B10, B11
  return Issue(deps, {"B", mapped.grant, mapped.jws, attested.csr.public_key, request.forms(), &attested.results,
                      attested.results_sha256, attested.results.target, peer.ToString()});
}

}  // namespace twi::credential_authority
