#include "services/verifier/make_results.h"

#include "common/attested_tls/attested_key.h"
#include "common/crypto/csr.h"
#include "common/crypto/hpke.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::verifier {

namespace {

// What does not depend on how the Evidence is bound.
absl::StatusOr<AttestationResults> ResultsOf(const Appraisal& appraisal, const ResultsContext& context) {
  if (appraisal.verdict != Verdict::kAccept)
    return Deny(v1::DENY_REASON_INTERNAL, "Attestation Results asked for Evidence that was not accepted");
  AttestationResults results;
  results.issuer = context.issuer;
  results.build = context.build;
  results.jti = context.jti;
  results.issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(context.now));
  results.expires_at = results.issued_at + context.lifetime;
  results.status = appraisal.status;
  results.trustworthiness = appraisal.trustworthiness;
  results.appraisal_policy_ids = {context.appraisal_policy_id};
  results.reported_binding = appraisal.claims.freshness;
  results.evidence_sha256 = context.evidence_sha256;
  if (appraisal.reference.has_value()) {
    results.software = {{"name", appraisal.reference->name},
                        {"version", appraisal.reference->version},
                        {"vendor", appraisal.reference->vendor}};
  }
  results.attester_claims = ClaimsForResults(appraisal.claims);
  return results;
}

}  // namespace

absl::StatusOr<std::string> AttestedKeyOf(const v1::Binding& binding) {
  if (atls::IsBindingTarget(binding.target())) {
    TWI_ASSIGN_OR_RETURN(atls::AttestedKeySubject attested, atls::ReadSubject(binding.subject()));
    return std::move(attested.spki);
  }
  if (crypto::CheckHpkePublicKey(binding.subject()).ok()) return binding.subject();
  TWI_ASSIGN_OR_RETURN(const crypto::Csr csr, crypto::ParseCsr(binding.subject()));
  return csr.public_key.spki();
}

absl::StatusOr<AttestationResults> MakeResults(const Appraisal& appraisal, const v1::Binding& binding,
                                               const std::string& attested_key, const ResultsContext& context) {
  TWI_ASSIGN_OR_RETURN(AttestationResults results, ResultsOf(appraisal, context));
  results.key_spki = attested_key;
  results.audience = binding.rp_id();
  results.nonce = binding.nonce();
  results.target = binding.target();
  results.channel_key_sha256 = context.channel_key_sha256;
  return results;
}

absl::StatusOr<AttestationResults> MakeResultsForNonce(const Appraisal& appraisal, absl::string_view nonce,
                                                       const std::string& audience, const ResultsContext& context) {
  TWI_ASSIGN_OR_RETURN(AttestationResults results, ResultsOf(appraisal, context));
  if (!ConstantTimeEqual(results.reported_binding, nonce))
    return Deny(v1::DENY_REASON_BINDING_MISMATCH, "the freshness field of the Evidence is not the nonce");
  results.binding_profile = kBindingNonce;
  results.audience = audience;
  results.nonce = std::string(nonce);
  return results;
}

}  // namespace twi::verifier
