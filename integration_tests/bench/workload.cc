#include "integration_tests/bench/workload.h"

#include <utility>

#include "common/binding/binding.h"
#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/crypto/hpke.h"
#include "common/crypto/keys.h"
#include "common/sealed_key/sealed_key.h"
#include "common/status/status_macros.h"
#include "integration_tests/bench/measure.h"

namespace twi::bench {
namespace {

constexpr char kEncryptedEvidenceInfo[] = "twi/v1/encrypted-evidence";  // proto/twi/v1/evidence.proto

// One bit of the signed range: of the report's measurement, or of the quote.
void FlipEvidence(v1::Evidence& evidence) {
  std::string* bytes =
      evidence.has_sev_snp() ? evidence.mutable_sev_snp()->mutable_report() : evidence.mutable_tpm2()->mutable_quote();
  (*bytes)[bytes->size() / 8] ^= 1;
}

struct KeyAndCsr {
  crypto::PrivateKey key;
  std::string csr;
};

absl::StatusOr<KeyAndCsr> MakeKeyAndCsr() {
  TWI_ASSIGN_OR_RETURN(crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));
  TWI_ASSIGN_OR_RETURN(std::string csr, crypto::MakeCsr(key));
  return KeyAndCsr{std::move(key), std::move(csr)};
}

}  // namespace

std::unique_ptr<Connections> Connections::Open(const Services& s, const Clock& clock) {
  auto c = std::make_unique<Connections>();
  c->identity = OrFail(client::Identity::AttestedKey(s.trust_bundle_file, clock.Now()), "attested key");
  c->verifier = OrFail(client::MakeVerifierClient(s.verifier, *c->identity, clock), "verifier");
  c->credential_authority = OrFail(client::MakeCredentialAuthorityClient(s.credential_authority, *c->identity, clock),
                                   "credential authority");
  c->key_store = OrFail(client::MakeKeyStoreClient(s.key_store, *c->identity, clock), "key store");
  return c;
}

FetchedKeys FetchKeys(Connections& c, bool key_store) {
  const absl::Time deadline = SystemClock().Now() + absl::Seconds(10);
  const auto verifier = OrFail(c.verifier->GetVerifierKeys(deadline), "GetVerifierKeys");
  FetchedKeys keys{verifier.encryption_key_id(),
                   verifier.encryption_key_spki(),
                   OrFail(jose::JwkSetFromText(verifier.jwks()), "JWKS"),
                   {}};
  if (key_store) {
    const auto published = OrFail(c.key_store->GetKeyStoreKeys(deadline), "GetKeyStoreKeys");
    keys.key_store_keys = OrFail(jose::JwkSetFromText(published.jwks()), "JWKS");
  }
  return keys;
}

absl::StatusOr<Acquired> Workload::Acquire(Mechanism mechanism, Tamper tamper) {
  switch (mechanism) {
    case Mechanism::kA:
      return AcquireA(tamper);
    case Mechanism::kB:
      return AcquireB(tamper);
    case Mechanism::kC:
      return AcquireC(tamper);
    case Mechanism::kD:
      return AcquireD(tamper);
  }
  return absl::InternalError("no such mechanism");
}

v1::Binding Workload::Bind(const std::string& nonce, const std::string& rp_id, const std::string& subject) const {
  v1::Binding binding;
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce(nonce);
  binding.set_target(services_.target);
  binding.set_rp_id(rp_id);
  binding.set_subject(subject);
  return binding;
}

v1::Evidence Workload::MakeEvidence(v1::Binding& binding, Tamper tamper) {
  const double before = ThreadCpuMicros();
  v1::Evidence evidence = evidence_.Make(binding);
  evidence_cpu_us_ += ThreadCpuMicros() - before;
  if (tamper == Tamper::kEvidence) FlipEvidence(evidence);
  if (tamper == Tamper::kCsr) binding.mutable_subject()->back() ^= 1;  // the Proof-of-Possession; D: the encryption key
  return evidence;
}

absl::StatusOr<Acquired> Workload::AcquireA(Tamper tamper) {
  const absl::Time deadline = Deadline();
  TWI_ASSIGN_OR_RETURN(const auto challenge, connections_.verifier->NewChallenge(deadline));
  TWI_ASSIGN_OR_RETURN(const KeyAndCsr made, MakeKeyAndCsr());  // A1 A2
  v1::RequestCredentialRequest request;
  v1::Binding binding = Bind(challenge.nonce(), services_.credential_authority_rp_id, made.csr);
  *request.mutable_evidence() = MakeEvidence(binding, tamper);  // A3
  *request.mutable_binding() = std::move(binding);
  request.add_forms(v1::CREDENTIAL_FORM_X509);
  TWI_ASSIGN_OR_RETURN(auto response, connections_.verifier->RequestCredential(request, deadline));  // A4
  return Acquired{made.key.public_key().spki(), {}, std::move(*response.mutable_attestation_results())};
}

absl::StatusOr<Acquired> Workload::AcquireB(Tamper tamper) {
  const absl::Time deadline = Deadline();
  TWI_ASSIGN_OR_RETURN(const auto challenge, connections_.verifier->NewChallenge(deadline));
  TWI_ASSIGN_OR_RETURN(const KeyAndCsr made, MakeKeyAndCsr());  // B1 B2
  v1::AppraiseRequest appraise;
  v1::Binding binding = Bind(challenge.nonce(), services_.credential_authority_rp_id, made.csr);
  *appraise.mutable_evidence() = MakeEvidence(binding, tamper);
  *appraise.mutable_binding() = std::move(binding);
  TWI_ASSIGN_OR_RETURN(auto appraised, connections_.verifier->Appraise(appraise, deadline));  // B3
  v1::IssueFromResultsRequest request;                                                        // B7
  *request.mutable_attestation_results() = std::move(*appraised.mutable_attestation_results());
  *request.mutable_binding() = std::move(*appraise.mutable_binding());
  request.add_forms(v1::CREDENTIAL_FORM_X509);
  TWI_ASSIGN_OR_RETURN(auto issued, connections_.credential_authority->IssueFromResults(request, deadline));  // B8
  return Acquired{made.key.public_key().spki(), std::move(*issued.mutable_credential()), ""};
}

absl::StatusOr<Acquired> Workload::AcquireC(Tamper tamper) {
  const absl::Time deadline = Deadline();
  TWI_ASSIGN_OR_RETURN(const auto challenge, connections_.credential_authority->NewChallenge(deadline));
  TWI_ASSIGN_OR_RETURN(const KeyAndCsr made, MakeKeyAndCsr());  // C1
  v1::IssueFromEvidenceRequest request;
  v1::Binding binding = Bind(challenge.nonce(), services_.credential_authority_rp_id, made.csr);
  const v1::Evidence evidence = MakeEvidence(binding, tamper);  // C2
  TWI_ASSIGN_OR_RETURN(crypto::HpkeSealed sealed,               // C3
                       crypto::HpkeSeal(keys_.encryption_key_spki, kEncryptedEvidenceInfo, BindingValue64(binding),
                                        evidence.SerializeAsString()));
  request.mutable_encrypted_evidence()->set_kid(keys_.encryption_key_id);
  request.mutable_encrypted_evidence()->set_enc(std::move(sealed.enc));
  request.mutable_encrypted_evidence()->set_ciphertext(std::move(sealed.ciphertext));
  *request.mutable_binding() = std::move(binding);
  request.add_forms(v1::CREDENTIAL_FORM_X509);
  TWI_ASSIGN_OR_RETURN(auto issued, connections_.credential_authority->IssueFromEvidence(request, deadline));  // C4
  return Acquired{made.key.public_key().spki(), std::move(*issued.mutable_credential()), ""};
}

absl::StatusOr<Acquired> Workload::AcquireD(Tamper tamper) {
  const absl::Time deadline = Deadline();
  TWI_ASSIGN_OR_RETURN(const auto challenge, connections_.verifier->NewChallenge(deadline));
  TWI_ASSIGN_OR_RETURN(const crypto::HpkePrivateKey encryption_key, crypto::HpkePrivateKey::Generate());  // D1
  v1::AppraiseRequest appraise;
  v1::Binding binding = Bind(challenge.nonce(), services_.key_store_rp_id, encryption_key.spki());
  *appraise.mutable_evidence() = MakeEvidence(binding, tamper);  // D2
  *appraise.mutable_binding() = std::move(binding);
  TWI_ASSIGN_OR_RETURN(auto appraised, connections_.verifier->Appraise(appraise, deadline));  // D3 D4
  v1::ReleaseKeyRequest request;
  request.set_key_id(services_.key_id);
  *request.mutable_attestation_results() = std::move(*appraised.mutable_attestation_results());
  *request.mutable_binding() = std::move(*appraise.mutable_binding());
  TWI_ASSIGN_OR_RETURN(const auto released, connections_.key_store->ReleaseKey(request, deadline));  // D5
  // D8. The key has to be opened here: it is the only proof that the release is good.
  const SealedKeyContext context{request.binding().rp_id(), request.binding().target(), request.binding().nonce(),
                                 services_.key_id, crypto::Sha256(request.attestation_results())};
  TWI_ASSIGN_OR_RETURN(const SecretBytes pkcs8,
                       OpenSealedKey(released.sealed_key(), keys_.key_store_keys, services_.key_store.spiffe_id(),
                                     context, encryption_key));
  TWI_ASSIGN_OR_RETURN(const crypto::PrivateKey key, crypto::PrivateKey::FromPkcs8(pkcs8));
  return Acquired{key.public_key().spki(), {}, ""};
}

}  // namespace twi::bench
