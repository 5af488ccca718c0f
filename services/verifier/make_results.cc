#include "services/verifier/make_results.h"

#include "common/crypto/csr.h"
#include "common/crypto/hpke.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::verifier {

absl::StatusOr<std::string> AttestedKeyOf(absl::string_view subject) {
  if (crypto::CheckHpkePublicKey(subject).ok()) return std::string(subject);
  TWI_ASSIGN_OR_RETURN(const crypto::Csr csr, crypto::ParseCsr(subject));
  return csr.public_key.spki();
}

absl::StatusOr<AttestationResults> MakeResults(const Appraisal& appraisal, const v1::Binding& binding,
                                               const ResultsContext& context) {
  if (appraisal.verdict != Verdict::kAccept)
    return Deny(v1::DENY_REASON_INTERNAL, "Attestation Results asked for Evidence that was not accepted");
  AttestationResults results;
  TWI_ASSIGN_OR_RETURN(results.key_spki, AttestedKeyOf(binding.subject()));
  results.issuer = context.issuer;
  results.build = context.build;
  results.audience = binding.rp_id();
  results.jti = context.jti;
  results.issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(context.now));
  results.expires_at = results.issued_at + context.lifetime;
  results.status = appraisal.status;
  results.trustworthiness = appraisal.trustworthiness;
  results.appraisal_policy_ids = {context.appraisal_policy_id};
  results.nonce = binding.nonce();
  results.target = binding.target();
  results.reported_binding = appraisal.claims.freshness;
  results.channel_key_sha256 = context.channel_key_sha256;
  results.evidence_sha256 = context.evidence_sha256;
  if (appraisal.reference.has_value()) {
    results.software = {{"name", appraisal.reference->name},
                        {"version", appraisal.reference->version},
                        {"vendor", appraisal.reference->vendor}};
  }
  results.attester_claims = ClaimsForResults(appraisal.claims);
  return results;
}

}  // namespace twi::verifier
