#include "services/verifier/verify_request.h"

#include "absl/strings/str_cat.h"
#include "common/attested_tls/attested_key.h"
#include "common/binding/binding.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/appraise_evidence.h"
#include "services/verifier/formats/format.h"
#include "services/verifier/make_results.h"

namespace twi::verifier {
namespace {

absl::StatusOr<std::string> CheckRelyingParty(const VerifierDeps& deps, const std::string& rp_id) {
  const auto found = deps.relying_parties.find(rp_id);
  if (found == deps.relying_parties.end()) {
    return Deny(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED, absl::StrCat("rp_id ", rp_id, " is not configured"));
  }
  return found->second;
}

// The binding of a request for a credential; the key of attested TLS is attested in sessions of the REST front only.
absl::Status CheckCredentialBinding(const v1::Binding& binding) {
  TWI_RETURN_IF_ERROR(ValidateBinding(binding));
  if (!atls::IsBindingTarget(binding.target())) return absl::OkStatus();
  return Deny(v1::DENY_REASON_TARGET_NOT_ALLOWED,
              absl::StrCat(binding.target(), " is attested TLS's, no credential's"));
}

void AuditAppraisal(const AttestationResults& r) {
  namespace f = log::fields;
  log::Audit("appraised", {{f::kResultsId, r.jti},
                           {f::kEvidenceFormat, r.attester_claims.value("format", "")},
                           {f::kEvidenceDigest, ToHex(r.evidence_sha256)},
                           {f::kRpId, r.audience},
                           {f::kTarget, r.target},
                           {f::kPolicy, r.appraisal_policy_ids.front()}});
}

struct Appraised {
  Appraisal appraisal;
  ResultsContext context;
};

// What every request comes to: accepted Evidence, and what the results will say of the Verifier.
absl::StatusOr<Appraised> Appraise(const VerifierDeps& deps, const v1::Evidence& evidence,
                                   absl::string_view evidence_bytes) {
  const absl::Time now = deps.clock.Now();
  const std::shared_ptr<const AppraisalRules> rules = deps.rules();
  Appraised appraised;
  appraised.appraisal = AppraiseEvidence(evidence, rules->policy, rules->references, rules->trust, now);
  if (deps.on_appraised) deps.on_appraised(appraised.appraisal);
  if (appraised.appraisal.verdict != Verdict::kAccept) return RefusalOf(appraised.appraisal);
  ResultsContext& context = appraised.context;
  context.issuer = deps.issuer;
  context.build = kVerifierBuild;
  context.appraisal_policy_id = rules->policy.id;
  context.jti = ToBase64Url(deps.random.Bytes(16));
  context.evidence_sha256 = crypto::Sha256(evidence_bytes);
  context.now = now;
  context.lifetime = deps.results_lifetime;
  return appraised;
}

// Appraise, match the binding: what every mechanism does once it knows whose nonce it is.
absl::StatusOr<Appraised> AppraiseBound(const VerifierDeps& deps, const v1::Evidence& evidence,
                                        absl::string_view evidence_bytes, const v1::Binding& binding) {
  TWI_ASSIGN_OR_RETURN(Appraised appraised, Appraise(deps, evidence, evidence_bytes));
  TWI_RETURN_IF_ERROR(MatchBinding(binding, appraised.appraisal.claims.freshness));
  return appraised;
}

absl::StatusOr<AttestationResults> BoundResults(const Appraised& appraised, const v1::Binding& binding,
                                                const std::string& attested_key) {
  TWI_ASSIGN_OR_RETURN(AttestationResults results,
                       MakeResults(appraised.appraisal, binding, attested_key, appraised.context));
  AuditAppraisal(results);
  return results;
}

absl::StatusOr<AttestationResults> AppraiseForCredential(const VerifierDeps& deps, const v1::Evidence& evidence,
                                                         absl::string_view evidence_bytes, const v1::Binding& binding,
                                                         absl::string_view channel_key_sha256) {
  TWI_ASSIGN_OR_RETURN(Appraised appraised, AppraiseBound(deps, evidence, evidence_bytes, binding));
  appraised.context.channel_key_sha256 = std::string(channel_key_sha256);
  TWI_ASSIGN_OR_RETURN(const std::string key, AttestedKeyOf(binding));
  return BoundResults(appraised, binding, key);
}

}  // namespace

const char kVerifierBuild[] = "twi-verifier 0.1";

absl::StatusOr<AttestationResults> AppraiseForWorkload(const VerifierDeps& deps, const v1::Evidence& evidence,
                                                       const v1::Binding& binding,
                                                       absl::string_view channel_key_sha256) {
  TWI_RETURN_IF_ERROR(CheckCredentialBinding(binding));
  TWI_RETURN_IF_ERROR(CheckRelyingParty(deps, binding.rp_id()).status());
  TWI_RETURN_IF_ERROR(deps.challenges.Redeem(binding.nonce(), channel_key_sha256, deps.clock.Now()));
  const std::string bytes = evidence.SerializeAsString();
  if (bytes.size() > kMaxEvidence) return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, "evidence is over 256 KiB");
  return AppraiseForCredential(deps, evidence, bytes, binding, channel_key_sha256);
}

absl::StatusOr<AttestationResults> AppraiseForRelyingParty(const VerifierDeps& deps,
                                                           const v1::AppraiseForRelyingPartyRequest& request,
                                                           absl::string_view peer_spiffe_id) {
  TWI_RETURN_IF_ERROR(CheckCredentialBinding(request.binding()));
  TWI_ASSIGN_OR_RETURN(const std::string allowed, CheckRelyingParty(deps, request.binding().rp_id()));
  if (allowed.empty() || peer_spiffe_id != allowed) {
    return Deny(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED,
                absl::StrCat(peer_spiffe_id, " may not ask for rp_id ", request.binding().rp_id()));
  }
  if (request.channel_key_sha256().size() != 32)
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "channel_key_sha256 is not 32 bytes");
  TWI_ASSIGN_OR_RETURN(const SecretBytes bytes,
                       deps.encryption_key.Open(request.encrypted_evidence(), request.binding()));
  v1::Evidence evidence;
  if (bytes.size() > kMaxEvidence || !evidence.ParseFromArray(bytes.reveal().data(), static_cast<int>(bytes.size()))) {
    return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, "the decrypted bytes are no Evidence message of at most 256 KiB");
  }
  return AppraiseForCredential(deps, evidence, bytes.reveal(), request.binding(), request.channel_key_sha256());
}

absl::StatusOr<AttestationResults> AppraiseForSession(const VerifierDeps& deps, const v1::Evidence& evidence,
                                                      absl::string_view bytes, const v1::Binding& binding) {
  TWI_RETURN_IF_ERROR(ValidateBinding(binding));
  if (!atls::IsBindingTarget(binding.target()))  // credentials are for the mechanisms' own ways
    return Deny(v1::DENY_REASON_TARGET_NOT_ALLOWED, absl::StrCat(binding.target(), " is no target of attested TLS"));
  TWI_ASSIGN_OR_RETURN(const std::string key, AttestedKeyOf(binding));
  TWI_ASSIGN_OR_RETURN(Appraised appraised, AppraiseBound(deps, evidence, bytes, binding));
  appraised.context.channel_key_sha256 = crypto::Sha256(key);
  return BoundResults(appraised, binding, key);
}

absl::StatusOr<AttestationResults> AppraiseForNonce(const VerifierDeps& deps, const v1::Evidence& evidence,
                                                    absl::string_view bytes, absl::string_view nonce,
                                                    const std::string& audience) {
  TWI_ASSIGN_OR_RETURN(const Appraised appraised, Appraise(deps, evidence, bytes));
  TWI_ASSIGN_OR_RETURN(AttestationResults results,
                       MakeResultsForNonce(appraised.appraisal, nonce, audience, appraised.context));
  AuditAppraisal(results);
  return results;
}

absl::StatusOr<std::string> Sign(const VerifierDeps& deps, const AttestationResults& results) {
  const std::shared_ptr<const storage::SigningKeys::Active> active = deps.results_keys.Current(deps.clock.Now());
  return SignResults(results, active->key, active->kid);
}

}  // namespace twi::verifier
