#include "integration_tests/acquisition.h"

#include "common/binding/binding.h"
#include "common/crypto/csr.h"
#include "common/crypto/hpke.h"
#include "common/jose/jwk.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/util/json_util.h"
#include "services/workload_agent/attester.h"

namespace twi::integration {

std::string TeeName(Tee tee) { return tee == Tee::kSevSnp ? "sevsnp" : "tpm2"; }

Requester::Requester()
    : key(crypto::PrivateKey::Generate(crypto::KeyType::kP256).value()), csr(crypto::MakeCsr(key).value()) {}

v1::Binding MakeBinding(const std::string& nonce, const std::string& subject, const std::string& rp_id,
                        const std::string& target) {
  v1::Binding binding;
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce(nonce);
  binding.set_target(target);
  binding.set_rp_id(rp_id);
  binding.set_subject(subject);
  return binding;
}

v1::Evidence SnpEvidence(const Deployment& deployment, const v1::Binding& binding, DevSnpReportParams params) {
  params.report_data = BindingValue64(binding);
  if (params.measurement.empty()) params.measurement = deployment.Measurement("payroll-1.2.0");
  v1::Evidence evidence;
  v1::SnpEvidence& snp = *evidence.mutable_sev_snp();
  snp.set_report(deployment.snp_chain().MakeReport(params).value());
  snp.add_certificates(deployment.snp_chain().vcek_der());
  snp.add_certificates(deployment.snp_chain().ask_der());
  return evidence;
}

v1::Evidence SnpEvidence(const Deployment& deployment, const v1::Binding& binding, const std::string& image) {
  DevSnpReportParams params;
  params.measurement = deployment.Measurement(image);
  return SnpEvidence(deployment, binding, params);
}

v1::Evidence TpmEvidence(const Deployment& deployment, const v1::Binding& binding) {
  config::v1::Tpm2Attester config;
  config.set_tcti(deployment.tcti());
  config.set_ak_handle(0x81010002);
  for (const int pcr : {0, 1, 2, 3, 4, 5, 7}) config.add_pcrs(pcr);
  return agent::MakeTpm2Attester(config).value()->Attest(binding).value();
}

v1::Evidence Attest(const Deployment& deployment, Tee tee, const v1::Binding& binding) {
  return tee == Tee::kSevSnp ? SnpEvidence(deployment, binding) : TpmEvidence(deployment, binding);
}

v1::EncryptedEvidence EncryptToVerifier(const v1::Evidence& evidence, const v1::Binding& binding,
                                        const v1::GetVerifierKeysResponse& keys) {
  const crypto::HpkeSealed sealed = crypto::HpkeSeal(keys.encryption_key_spki(), "twi/v1/encrypted-evidence",
                                                     BindingValue64(binding), evidence.SerializeAsString())
                                        .value();
  v1::EncryptedEvidence encrypted;
  encrypted.set_kid(keys.encryption_key_id());
  encrypted.set_enc(sealed.enc);
  encrypted.set_ciphertext(sealed.ciphertext);
  return encrypted;
}

absl::StatusOr<Attested> AttestAndAppraise(const Deployment& deployment, Caller& caller, Tee tee,
                                           const std::string& subject, const std::string& rp_id,
                                           const std::string& target) {
  TWI_ASSIGN_OR_RETURN(const v1::NewChallengeResponse challenge, caller.VerifierChallenge());
  Attested attested;
  attested.binding = MakeBinding(challenge.nonce(), subject, rp_id, target);
  attested.evidence = Attest(deployment, tee, attested.binding);
  v1::AppraiseRequest request;
  *request.mutable_binding() = attested.binding;
  *request.mutable_evidence() = attested.evidence;
  TWI_ASSIGN_OR_RETURN(const v1::AppraiseResponse response, caller.Appraise(request));
  attested.results = response.attestation_results();
  return attested;
}

absl::StatusOr<AttestationResults> ReadResults(Caller& caller, const std::string& results,
                                               const std::string& audience) {
  TWI_ASSIGN_OR_RETURN(const v1::GetVerifierKeysResponse published, caller.GetVerifierKeys());
  TWI_ASSIGN_OR_RETURN(const jose::JwkSet keys, jose::JwkSetFromText(published.jwks()));
  ResultsExpectation expectation;
  expectation.audience = audience;
  expectation.issuer = kVerifierId;
  expectation.now = absl::Now();
  return ValidateResults(results, keys, expectation);
}

v1::IssueFromResultsRequest RequestFromResults(const Attested& attested) {
  v1::IssueFromResultsRequest request;
  request.set_attestation_results(attested.results);
  *request.mutable_binding() = attested.binding;
  return request;
}

absl::StatusOr<v1::WorkloadCredential> CredentialIn(const AttestationResults& results) {
  v1::WorkloadCredential credential;
  if (!results.workload_credential_json.has_value())
    return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, "no credential in the results");
  if (!google::protobuf::util::JsonStringToMessage(*results.workload_credential_json, &credential).ok()) {
    return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, "the credential in the results does not parse");
  }
  return credential;
}

absl::StatusOr<v1::WorkloadCredential> AcquireByA(const Deployment& deployment, Caller& caller,
                                                  const Requester& requester, Tee tee) {
  TWI_ASSIGN_OR_RETURN(const v1::NewChallengeResponse challenge, caller.VerifierChallenge());
  v1::RequestCredentialRequest request;
  *request.mutable_binding() = MakeBinding(challenge.nonce(), requester.csr);
  *request.mutable_evidence() = Attest(deployment, tee, request.binding());
  TWI_ASSIGN_OR_RETURN(const v1::RequestCredentialResponse response, caller.RequestCredential(request));
  // The credential is read without the Verifier's keys: a Verifier that dies right after it answered has issued all the
  // same.
  TWI_ASSIGN_OR_RETURN(const jose::VerifiedJws answer,
                       jose::InsecureDecodeJws(response.attestation_results(), 256 * 1024));
  AttestationResults results;
  const auto found = answer.payload.find("twi_workload_credential");
  if (found != answer.payload.end() && found->is_string()) results.workload_credential_json = found->get<std::string>();
  return CredentialIn(results);
}

absl::StatusOr<v1::WorkloadCredential> AcquireByB(const Deployment& deployment, Caller& caller,
                                                  const Requester& requester, Tee tee) {
  TWI_ASSIGN_OR_RETURN(const Attested attested, AttestAndAppraise(deployment, caller, tee, requester.csr));
  TWI_ASSIGN_OR_RETURN(const v1::IssueResponse issued, caller.IssueFromResults(RequestFromResults(attested)));
  return issued.credential();
}

absl::StatusOr<v1::WorkloadCredential> AcquireByC(const Deployment& deployment, Caller& caller,
                                                  const Requester& requester, Tee tee) {
  TWI_ASSIGN_OR_RETURN(const v1::GetVerifierKeysResponse keys, caller.GetVerifierKeys());
  TWI_ASSIGN_OR_RETURN(const v1::NewChallengeResponse challenge, caller.AuthorityChallenge());
  v1::IssueFromEvidenceRequest request;
  *request.mutable_binding() = MakeBinding(challenge.nonce(), requester.csr);
  *request.mutable_encrypted_evidence() =
      EncryptToVerifier(Attest(deployment, tee, request.binding()), request.binding(), keys);
  TWI_ASSIGN_OR_RETURN(const v1::IssueResponse issued, caller.IssueFromEvidence(request));
  return issued.credential();
}

}  // namespace twi::integration
