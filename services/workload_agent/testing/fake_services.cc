#include "services/workload_agent/testing/fake_services.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/binding/binding.h"
#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/jose/jwk.h"
#include "common/sealed_key/sealed_key.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/util/json_util.h"

namespace twi::agent::testing {
namespace {

crypto::PrivateKey NewKey() { return crypto::PrivateKey::Generate(crypto::KeyType::kP256).value(); }

std::string Jwks(const crypto::PrivateKey& key) {
  const std::string kid = jose::Thumbprint(key.public_key());
  return jose::ToJson(jose::JwkSet{{jose::Jwk{kid, "ES256", "sig", key.public_key()}}}).dump();
}

absl::Status NotInThisTest() { return Deny(v1::DENY_REASON_NOT_IMPLEMENTED, "the agent does not call this"); }

v1::NewChallengeResponse Challenge(absl::string_view who, int number) {
  v1::NewChallengeResponse response;
  response.set_nonce(absl::StrCat(who, "-nonce-", number));
  response.set_lifetime_seconds(60);
  return response;
}

}  // namespace

absl::StatusOr<v1::Evidence> FakeAttester::Attest(const v1::Binding& binding, absl::Duration limit) {
  last_limit = limit;
  TWI_RETURN_IF_ERROR(fail);
  TWI_RETURN_IF_ERROR(ValidateBinding(binding));
  attested.push_back(binding);
  v1::Evidence evidence;
  evidence.mutable_sev_snp()->set_report(BindingValue64(binding));
  return evidence;
}

FakeVerifier::FakeVerifier(const Clock& clock, const FakeIssuer& issuer)
    : clock_(clock),
      issuer_(issuer),
      key_(NewKey()),
      foreign_key_(NewKey()),
      encryption_key_(crypto::HpkePrivateKey::Generate().value()) {}

absl::StatusOr<v1::NewChallengeResponse> FakeVerifier::NewChallenge(absl::Time) {
  return Challenge("verifier", ++challenges);
}

absl::StatusOr<AttestationResults> FakeVerifier::Results(const v1::Evidence& evidence,
                                                         const v1::Binding& binding) const {
  TWI_RETURN_IF_ERROR(refuse);
  TWI_RETURN_IF_ERROR(MatchBinding(binding, evidence.sev_snp().report()));
  AttestationResults results;
  results.issuer = kVerifierId;
  results.build = "fake";
  results.audience = binding.rp_id();
  results.jti = "AAAAAAAAAAAAAAAAAAAAAA";
  results.issued_at = clock_.Now();
  results.expires_at = clock_.Now() + absl::Minutes(5);
  results.status = EarStatus::kAffirming;
  results.trustworthiness = {{"hardware", 2}, {"executables", 3}};
  results.appraisal_policy_ids = {"default@sha256:00"};
  if (auto csr = crypto::ParseAndVerifyCsr(binding.subject()); csr.ok())
    results.key_spki = csr->public_key.spki();
  else
    results.key_spki = binding.subject();
  results.nonce = binding.nonce();
  results.target = binding.target();
  results.reported_binding = evidence.sev_snp().report();
  results.channel_key_sha256 = ChannelKey();
  results.evidence_sha256 = crypto::Sha256(evidence.SerializeAsString());
  results.attester_claims = nlohmann::json::object({{"format", "sev-snp"}});
  return results;
}

std::string FakeVerifier::Sign(AttestationResults results) const {
  if (change_results) change_results(results);
  return SignResults(results, sign_with_foreign_key ? foreign_key_ : key_, jose::Thumbprint(key_.public_key())).value();
}

absl::StatusOr<v1::AppraiseResponse> FakeVerifier::Appraise(const v1::AppraiseRequest& request, absl::Time) {
  TWI_ASSIGN_OR_RETURN(AttestationResults results, Results(request.evidence(), request.binding()));
  v1::AppraiseResponse response;
  response.set_attestation_results(Sign(std::move(results)));
  return response;
}

absl::StatusOr<v1::AppraiseResponse> FakeVerifier::AppraiseForRelyingParty(const v1::AppraiseForRelyingPartyRequest&,
                                                                           absl::Time) {
  return NotInThisTest();
}

absl::StatusOr<v1::RequestCredentialResponse> FakeVerifier::RequestCredential(
    const v1::RequestCredentialRequest& request, absl::Time) {
  last_request = request;
  TWI_ASSIGN_OR_RETURN(AttestationResults results, Results(request.evidence(), request.binding()));
  TWI_ASSIGN_OR_RETURN(const crypto::Csr csr, crypto::ParseAndVerifyCsr(request.binding().subject()));
  FakeIssuer::Changes changes = credential_changes;
  const bool x509_alone = request.forms_size() == 1 && request.forms(0) == v1::CREDENTIAL_FORM_X509;
  changes.with_wit = changes.with_wit && !x509_alone;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(issuer_.Issue(csr.public_key, changes), &json).ok())
    return absl::InternalError("json");
  results.workload_credential_json = json;
  v1::RequestCredentialResponse response;
  response.set_attestation_results(Sign(std::move(results)));
  return response;
}

absl::StatusOr<v1::GetVerifierKeysResponse> FakeVerifier::GetVerifierKeys(absl::Time) {
  ++key_fetches;
  v1::GetVerifierKeysResponse response;
  response.set_jwks(Jwks(key_));
  response.set_encryption_key_id("hpke-1");
  response.set_encryption_key_spki(encryption_key_.spki());
  return response;
}

absl::StatusOr<v1::NewChallengeResponse> FakeCredentialAuthority::NewChallenge(absl::Time) {
  return Challenge("authority", ++challenges);
}

absl::StatusOr<v1::IssueResponse> FakeCredentialAuthority::Issue(const std::string& csr_der) {
  ++issues;
  TWI_RETURN_IF_ERROR(refuse);
  TWI_ASSIGN_OR_RETURN(const crypto::Csr csr, crypto::ParseAndVerifyCsr(csr_der));
  v1::IssueResponse response;
  *response.mutable_credential() = issuer_.Issue(issue_to == nullptr ? csr.public_key : *issue_to, credential_changes);
  return response;
}

absl::StatusOr<v1::IssueResponse> FakeCredentialAuthority::IssueFromResults(const v1::IssueFromResultsRequest& request,
                                                                            absl::Time) {
  last_from_results = request;
  return Issue(request.binding().subject());
}

absl::StatusOr<v1::IssueResponse> FakeCredentialAuthority::IssueFromEvidence(
    const v1::IssueFromEvidenceRequest& request, absl::Time) {
  const v1::EncryptedEvidence& encrypted = request.encrypted_evidence();
  if (encrypted.kid() != "hpke-1") return Deny(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED, "kid");
  auto opened = verifier_.encryption_key().Open({encrypted.enc(), encrypted.ciphertext()}, "twi/v1/encrypted-evidence",
                                                BindingValue64(request.binding()));
  if (!opened.ok()) return Deny(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED, "does not open");
  if (!opened_evidence.ParseFromString(std::string(opened->reveal())))
    return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, "proto");
  TWI_RETURN_IF_ERROR(MatchBinding(request.binding(), opened_evidence.sev_snp().report()));
  return Issue(request.binding().subject());
}

absl::StatusOr<v1::IssueResponse> FakeCredentialAuthority::IssueForVerifier(const v1::IssueForVerifierRequest&,
                                                                            absl::Time) {
  return NotInThisTest();
}
absl::StatusOr<v1::IssueResponse> FakeCredentialAuthority::IssueForOwner(const v1::IssueForOwnerRequest&, absl::Time) {
  return NotInThisTest();
}
absl::StatusOr<v1::GetIssuanceResponse> FakeCredentialAuthority::GetIssuance(const v1::GetIssuanceRequest&,
                                                                             absl::Time) {
  return NotInThisTest();
}
absl::StatusOr<v1::GetTrustBundleResponse> FakeCredentialAuthority::GetTrustBundle(absl::Time) {
  ++bundle_fetches;
  v1::GetTrustBundleResponse response;
  response.set_jwks(issuer_.wit_bundle());
  return response;
}

FakeKeyStore::FakeKeyStore(const Clock& clock)
    : clock_(clock), credential_key_(NewKey()), signing_key_(NewKey()), foreign_key_(NewKey()) {}

absl::StatusOr<v1::ReleaseKeyResponse> FakeKeyStore::ReleaseKey(const v1::ReleaseKeyRequest& request, absl::Time) {
  ++releases;
  TWI_RETURN_IF_ERROR(refuse);
  SealedKeyContext context;
  context.rp_id = request.binding().rp_id();
  context.target = request.binding().target();
  context.nonce = request.binding().nonce();
  context.key_id = request.key_id();
  context.results_sha256 = crypto::Sha256(request.attestation_results());
  if (change_context) change_context(context.rp_id, context.target, context.nonce, context.key_id);
  v1::ReleaseKeyResponse response;
  TWI_ASSIGN_OR_RETURN(
      *response.mutable_sealed_key(),
      SealKey(context, seal_to == nullptr ? request.binding().subject() : seal_to->spki(), credential_key_.ToPkcs8(),
              issuer, "jti-1", clock_.Now(), sign_with_foreign_key ? foreign_key_ : signing_key_,
              jose::Thumbprint(signing_key_.public_key())));
  return response;
}

absl::StatusOr<v1::GetKeyStoreKeysResponse> FakeKeyStore::GetKeyStoreKeys(absl::Time) {
  v1::GetKeyStoreKeysResponse response;
  response.set_jwks(Jwks(signing_key_));
  return response;
}

absl::StatusOr<v1::ProvisionKeyResponse> FakeKeyStore::ProvisionKey(const v1::ProvisionKeyRequest&, absl::Time) {
  return NotInThisTest();
}
absl::StatusOr<v1::ListKeysResponse> FakeKeyStore::ListKeys(absl::Time) { return NotInThisTest(); }

AcquisitionTerms Terms(const FakeIssuer& issuer) {
  AcquisitionTerms terms;
  terms.rp_id = kRpId;
  terms.target = kTarget;
  terms.verifier_spiffe_id = kVerifierId;
  terms.key_store_spiffe_id = kKeyStoreId;
  terms.anchors = issuer.anchors();
  terms.wit_bundle = issuer.wit_bundle();
  terms.workload_identifier = kIdentifier;
  return terms;
}

}  // namespace twi::agent::testing
