#include "services/workload_agent/mechanism_a.h"

#include <utility>

#include "common/attestation_results/attestation_results.h"
#include "common/crypto/csr.h"
#include "common/jose/jwk.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/credential_json.h"

namespace twi::agent {
namespace {

// Are these Attestation Results the answer to this very request? Then the credential inside is what the Verifier says
// it got for us.
absl::StatusOr<AttestationResults> ValidateAnswer(const MechanismADeps& d, const std::string& jws,
                                                  const v1::Binding& binding, const crypto::PublicKey& key) {
  TWI_ASSIGN_OR_RETURN(const v1::GetVerifierKeysResponse published, d.verifier.GetVerifierKeys(d.deadline));
  TWI_ASSIGN_OR_RETURN(const jose::JwkSet keys, jose::JwkSetFromText(published.jwks()));
  ResultsExpectation expectation;
  expectation.audience = d.terms.rp_id;
  expectation.issuer = d.terms.verifier_spiffe_id;
  expectation.now = d.clock.Now();
  TWI_ASSIGN_OR_RETURN(AttestationResults results, ValidateResults(jws, keys, expectation));
  if (results.key_spki != key.spki())
    return Deny(v1::DENY_REASON_RESULTS_KEY_MISMATCH,
                "the Attestation Results name another key than the Credential Key");
  TWI_RETURN_IF_ERROR(MatchResultsToRequest(results, binding, d.channel_key_sha256));
  return results;
}

}  // namespace

absl::StatusOr<AcquiredCredential> AcquireByMechanismA(const MechanismADeps& d) {
  TWI_ASSIGN_OR_RETURN(const v1::NewChallengeResponse challenge,
                       d.verifier.NewChallenge(d.deadline));                                     // A0 (ours: freshness)
  TWI_ASSIGN_OR_RETURN(crypto::PrivateKey key, crypto::PrivateKey::Generate(d.terms.key_type));  // A1
  TWI_ASSIGN_OR_RETURN(const std::string csr, crypto::MakeCsr(key));                             // A2
  v1::RequestCredentialRequest request;
  *request.mutable_binding() = MakeBinding(d.terms, challenge.nonce(), csr);
  const Wit wit = d.terms.wit_bundle.empty() ? Wit::kNotAskedFor : Wit::kAskedFor;
  if (wit == Wit::kNotAskedFor) request.add_forms(v1::CREDENTIAL_FORM_X509);  // a WIT could not be validated
  TWI_ASSIGN_OR_RETURN(*request.mutable_evidence(),
                       d.attester.Attest(request.binding(), d.deadline - d.clock.Now()));  // A3
  TWI_ASSIGN_OR_RETURN(const v1::RequestCredentialResponse response,
                       d.verifier.RequestCredential(request, d.deadline));  // A4
  TWI_ASSIGN_OR_RETURN(const AttestationResults results,
                       ValidateAnswer(d, response.attestation_results(), request.binding(), key.public_key()));
  if (!results.workload_credential_json.has_value())
    return Deny(v1::DENY_REASON_CREDENTIAL_INVALID,
                "the Attestation Results contain no credential (twi_workload_credential)");
  TWI_ASSIGN_OR_RETURN(v1::WorkloadCredential credential, CredentialFromJson(*results.workload_credential_json));
  return MatchCredential(std::move(key), std::move(credential), wit, d.terms.wit_bundle, d.terms,
                         d.clock.Now());  // A10
}

}  // namespace twi::agent
