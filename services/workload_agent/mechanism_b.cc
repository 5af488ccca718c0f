#include "services/workload_agent/mechanism_b.h"

#include <utility>

#include "common/crypto/csr.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/wit_bundle.h"

namespace twi::agent {

absl::StatusOr<AcquiredCredential> AcquireByMechanismB(const MechanismBDeps& d) {
  TWI_ASSIGN_OR_RETURN(const v1::NewChallengeResponse challenge,
                       d.verifier.NewChallenge(d.deadline));                                     // B0 (ours: freshness)
  TWI_ASSIGN_OR_RETURN(crypto::PrivateKey key, crypto::PrivateKey::Generate(d.terms.key_type));  // B1
  TWI_ASSIGN_OR_RETURN(const std::string csr, crypto::MakeCsr(key));
  v1::AppraiseRequest appraise;
  *appraise.mutable_binding() = MakeBinding(d.terms, challenge.nonce(), csr);
  TWI_ASSIGN_OR_RETURN(*appraise.mutable_evidence(),
                       d.attester.Attest(appraise.binding(), d.deadline - d.clock.Now()));          // B2
  TWI_ASSIGN_OR_RETURN(v1::AppraiseResponse appraised, d.verifier.Appraise(appraise, d.deadline));  // B3
  v1::IssueFromResultsRequest request;                                                              // B7
  *request.mutable_attestation_results() = std::move(*appraised.mutable_attestation_results());
  *request.mutable_binding() = std::move(*appraise.mutable_binding());
  TWI_ASSIGN_OR_RETURN(v1::IssueResponse response, d.credential_authority.IssueFromResults(request, d.deadline));  // B8
  TWI_ASSIGN_OR_RETURN(std::string wit_bundle,
                       WitBundleFor(response.credential(), d.terms, d.credential_authority, d.deadline));
  return MatchCredential(std::move(key), std::move(*response.mutable_credential()), Wit::kAskedFor,
                         std::move(wit_bundle), d.terms, d.clock.Now());
}

}  // namespace twi::agent
