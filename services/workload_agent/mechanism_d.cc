#include "services/workload_agent/mechanism_d.h"

#include <utility>

#include "common/crypto/hash.h"
#include "common/crypto/hpke.h"
#include "common/jose/jwk.h"
#include "common/sealed_key/sealed_key.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {
namespace {

// Verifies the Key Store's signature and context, then opens: the Credential Key.
absl::StatusOr<crypto::PrivateKey> OpenCredentialKey(const MechanismDDeps& d, const std::string& sealed_key,
                                                     const v1::Binding& binding, const std::string& attestation_results,
                                                     const crypto::HpkePrivateKey& recipient) {
  TWI_ASSIGN_OR_RETURN(const v1::GetKeyStoreKeysResponse published, d.key_store.GetKeyStoreKeys(d.deadline));
  TWI_ASSIGN_OR_RETURN(const jose::JwkSet keys, jose::JwkSetFromText(published.jwks()));
  SealedKeyContext context;
  context.rp_id = binding.rp_id();
  context.target = binding.target();
  context.nonce = binding.nonce();
  context.key_id = d.key_id;
  context.results_sha256 = crypto::Sha256(attestation_results);
  TWI_ASSIGN_OR_RETURN(const SecretBytes pkcs8,
                       OpenSealedKey(sealed_key, keys, d.terms.key_store_spiffe_id, context, recipient));
  auto key = crypto::PrivateKey::FromPkcs8(pkcs8);
  if (!key.ok())
    return Deny(v1::DENY_REASON_SEALED_KEY_INVALID,
                "what was sealed is not a PKCS#8 private key");  // the parser's words stay out: they are about a secret
  return *std::move(key);
}

}  // namespace

absl::StatusOr<AcquiredCredential> AcquireByMechanismD(const MechanismDDeps& d) {
  TWI_ASSIGN_OR_RETURN(const v1::NewChallengeResponse challenge,
                       d.verifier.NewChallenge(d.deadline));  // D0 (ours: freshness)
  TWI_ASSIGN_OR_RETURN(const crypto::HpkePrivateKey encryption_key, crypto::HpkePrivateKey::Generate());  // D1
  v1::AppraiseRequest appraise;
  *appraise.mutable_binding() = MakeBinding(d.terms, challenge.nonce(), encryption_key.spki());
  TWI_ASSIGN_OR_RETURN(*appraise.mutable_evidence(),
                       d.attester.Attest(appraise.binding(), d.deadline - d.clock.Now()));  // D2
  TWI_ASSIGN_OR_RETURN(v1::AppraiseResponse appraised, d.verifier.Appraise(appraise, d.deadline));
  v1::ReleaseKeyRequest request;
  request.set_key_id(d.key_id);
  request.set_attestation_results(appraised.attestation_results());
  *request.mutable_binding() = appraise.binding();
  TWI_ASSIGN_OR_RETURN(const v1::ReleaseKeyResponse released, d.key_store.ReleaseKey(request, d.deadline));  // D5
  TWI_ASSIGN_OR_RETURN(
      crypto::PrivateKey key,  // D8
      OpenCredentialKey(d, released.sealed_key(), appraise.binding(), appraised.attestation_results(), encryption_key));
  // Nobody is asked for a WIT here: the owner provisioned one or did not (ReadProvisionedCredential).
  return MatchCredential(std::move(key), d.provisioned, Wit::kNotAskedFor, d.provisioned.wit_bundle(), d.terms,
                         d.clock.Now());
}

}  // namespace twi::agent
