#include "services/workload_agent/mechanism_c.h"

#include <utility>

#include "common/binding/binding.h"
#include "common/crypto/csr.h"
#include "common/crypto/hpke.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/wit_bundle.h"

namespace twi::agent {
namespace {

// EncryptedEvidence in proto/twi/v1/evidence.proto: info and aad stand there.
constexpr char kInfo[] = "twi/v1/encrypted-evidence";

absl::StatusOr<v1::EncryptedEvidence> EncryptToVerifier(const v1::Evidence& evidence, const v1::Binding& binding,
                                                        const v1::GetVerifierKeysResponse& verifier_keys) {
  TWI_ASSIGN_OR_RETURN(crypto::HpkeSealed sealed,
                       crypto::HpkeSeal(verifier_keys.encryption_key_spki(), kInfo, BindingValue64(binding),
                                        evidence.SerializeAsString()));
  v1::EncryptedEvidence encrypted;
  encrypted.set_kid(verifier_keys.encryption_key_id());
  encrypted.set_enc(std::move(sealed.enc));
  encrypted.set_ciphertext(std::move(sealed.ciphertext));
  return encrypted;
}

}  // namespace

absl::StatusOr<AcquiredCredential> AcquireByMechanismC(const MechanismCDeps& d) {
  TWI_ASSIGN_OR_RETURN(const v1::GetVerifierKeysResponse verifier_keys,
                       d.verifier_keys.Get(d.verifier, d.clock.Now(), d.deadline));
  TWI_ASSIGN_OR_RETURN(const v1::NewChallengeResponse challenge,
                       d.credential_authority.NewChallenge(d.deadline));                         // C0 (ours: freshness)
  TWI_ASSIGN_OR_RETURN(crypto::PrivateKey key, crypto::PrivateKey::Generate(d.terms.key_type));  // C1
  TWI_ASSIGN_OR_RETURN(const std::string csr, crypto::MakeCsr(key));
  v1::IssueFromEvidenceRequest request;
  *request.mutable_binding() = MakeBinding(d.terms, challenge.nonce(), csr);
  TWI_ASSIGN_OR_RETURN(const v1::Evidence evidence,
                       d.attester.Attest(request.binding(), d.deadline - d.clock.Now()));  // C2
  TWI_ASSIGN_OR_RETURN(*request.mutable_encrypted_evidence(),
                       EncryptToVerifier(evidence, request.binding(), verifier_keys));                         // C3
  absl::StatusOr<v1::IssueResponse> response = d.credential_authority.IssueFromEvidence(request, d.deadline);  // C4
  if (!response.ok()) {
    d.verifier_keys.Forget();  // the next attempt asks for the Verifier's key anew: it may have been rotated
    return response.status();
  }
  TWI_ASSIGN_OR_RETURN(std::string wit_bundle,
                       WitBundleFor(response->credential(), d.terms, d.credential_authority, d.deadline));
  return MatchCredential(std::move(key), std::move(*response->mutable_credential()), Wit::kAskedFor,
                         std::move(wit_bundle), d.terms, d.clock.Now());
}

}  // namespace twi::agent
