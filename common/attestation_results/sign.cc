#include "absl/strings/str_cat.h"
#include "common/attestation_results/attestation_results.h"
#include "common/attestation_results/claims.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi {
namespace {

absl::Status Complete(const AttestationResults& r) {
  std::string missing;
  const auto need = [&missing](bool have, absl::string_view name) {
    if (!have) absl::StrAppend(&missing, missing.empty() ? "" : ", ", name);
  };
  need(!r.issuer.empty(), "issuer");
  need(!r.build.empty(), "build");
  need(!r.audience.empty(), "audience");
  need(!r.jti.empty(), "jti");
  need(r.expires_at > r.issued_at, "expires_at after issued_at");
  need(!r.trustworthiness.empty(), "trustworthiness");
  need(!r.appraisal_policy_ids.empty(), "appraisal_policy_ids");
  need(!r.nonce.empty(), "nonce");
  if (r.binding_profile == kBindingNonce) {
    need(r.reported_binding == r.nonce, "reported_binding equal to the nonce");
    need(r.key_spki.empty() && r.target.empty() && r.channel_key_sha256.empty(), "no key, target or channel");
  } else {
    need(r.binding_profile == kBindingTacra2, "binding_profile");
    need(!r.key_spki.empty(), "key_spki");
    need(!r.target.empty(), "target");
    need(r.reported_binding.size() == 32 || r.reported_binding.size() == 64, "reported_binding");
    need(r.channel_key_sha256.size() == 32, "channel_key_sha256");
  }
  need(r.evidence_sha256.size() == 32, "evidence_sha256");
  need(r.attester_claims.is_object(), "attester_claims");
  const std::optional<EarStatus> worst = ear::WorstTier(r.trustworthiness);
  need(worst.has_value() && !ear::MoreTrusted(r.status, *worst), "status no higher than the vector");
  if (missing.empty()) return absl::OkStatus();
  return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat("Attestation Results are not complete: ", missing));
}

}  // namespace

// EAR-04 sections 3 and 4; our extension claims are named twi_*.
nlohmann::json ToEarClaims(const AttestationResults& r) {
  nlohmann::json submod = {
      {"ear_status", ear::StatusName(r.status)},
      {"ear_trustworthiness_vector", r.trustworthiness},
      {"ear_appraisal_policy_ids", r.appraisal_policy_ids},
      {"eat_nonce", ToBase64Url(r.reported_binding)},
      {"ear_attester_claims", r.attester_claims},
      {"twi_binding", {{"profile", r.binding_profile}, {"nonce", ToBase64Url(r.nonce)}}},
  };
  const bool of_a_key = r.binding_profile != kBindingNonce;
  if (of_a_key) {
    submod["ear_veraison_key_attestation"] = {{"akpub", ToBase64Url(r.key_spki)}};
    submod["twi_binding"]["target"] = r.target;
    submod["twi_binding"]["channel_key_sha256"] = ToBase64Url(r.channel_key_sha256);
    if (const absl::StatusOr<nlohmann::json> jwk = ear::AttestedKeyJwk(r.key_spki); jwk.ok())
      submod["cnf"] = {{"jwk", *jwk}};
  }
  if (r.software.is_object()) submod["ear_verifier_claims"] = {{"software", r.software}};
  nlohmann::json claims = {
      {"eat_profile", kEarProfile},
      {"iss", r.issuer},
      {"aud", r.audience},
      {"jti", r.jti},
      {"iat", absl::ToUnixSeconds(r.issued_at)},
      {"exp", absl::ToUnixSeconds(r.expires_at)},
      {"ear_verifier_id", {{"developer", r.issuer}, {"build", r.build}}},
      {"ear_input_digest", {"sha-256", ToBase64Url(r.evidence_sha256)}},
      {"submods", {{kSubmod, std::move(submod)}}},
  };
  if (!of_a_key) claims["eat_nonce"] = ToBase64Url(r.nonce);
  if (r.workload_credential_json.has_value()) claims["twi_workload_credential"] = *r.workload_credential_json;
  return claims;
}

absl::StatusOr<std::string> SignResults(const AttestationResults& results, const crypto::PrivateKey& key,
                                        absl::string_view kid) {
  TWI_RETURN_IF_ERROR(Complete(results));
  if (results.binding_profile != kBindingNonce) TWI_RETURN_IF_ERROR(ear::AttestedKeyJwk(results.key_spki).status());
  // Replace, do not throw, on bytes that are no UTF-8: attester claims come from Evidence.
  return jose::SignJws(key, kid, kEarTyp,
                       ToEarClaims(results).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace twi
