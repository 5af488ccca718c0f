#include "services/verifier/appraise_evidence.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/conditions/conditions.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "services/verifier/formats/snp.h"
#include "services/verifier/formats/tpm.h"

namespace twi::verifier {
namespace {

using nlohmann::json;

// AR4SI section 2.3: the values we give.
constexpr int kHardwareGenuine = 2;
constexpr int kHardwareDevelopment = -2;  // vendor value, affirming: a chain that the operator's config names insecure_
constexpr int kExecutablesApproved = 3;
constexpr int kExecutablesUnrecognised = 33;
constexpr int kConfigurationApproved = 2;
constexpr int kConfigurationDebug = 32;

constexpr char kPolicySource[] = "appraisal policy for Evidence";

void Add(Appraisal& a, DenyReason reason, std::string claim, std::string seen, std::string expected,
         std::string source = kPolicySource) {
  a.findings.push_back({reason, std::move(claim), std::move(seen), std::move(expected), std::move(source)});
}

template <typename List>
std::string Joined(const List& list) {
  return absl::StrCat("one of ", absl::StrJoin(list, ", "));
}

void JudgeMinimumTcb(const config::v1::SnpPolicy& policy, const json& claims, Appraisal& a) {
  if (policy.minimum_tcb().empty()) return;
  const std::string product = claims.value("product", "unknown");
  const json tcb = claims.value("reported_tcb", json::object());
  for (const config::v1::MinimumTcb& minimum : policy.minimum_tcb()) {
    if (minimum.product() != product) continue;
    const std::pair<const char*, std::uint32_t> parts[] = {{"fmc", minimum.fmc()},
                                                           {"bl", minimum.bl()},
                                                           {"tee", minimum.tee()},
                                                           {"snp", minimum.snp()},
                                                           {"ucode", minimum.ucode()}};
    for (const auto& [name, least] : parts) {
      const std::uint32_t seen = tcb.value(name, 0u);
      if (seen < least)
        Add(a, v1::DENY_REASON_TCB_TOO_LOW, absl::StrCat("reported_tcb.", name), absl::StrCat(seen),
            absl::StrCat("at least ", least));
    }
    return;
  }
  Add(a, v1::DENY_REASON_TCB_TOO_LOW, "product", product, "a product that minimum_tcb names");
}

void JudgeSnp(const config::v1::SnpPolicy& policy, const json& claims, Appraisal& a) {
  // The default of each value() is the refused one: an absent claim is never a pass.
  const bool debug = claims.value("debug", true);
  if (debug && !policy.insecure_allow_debug()) Add(a, v1::DENY_REASON_DEBUG_ENABLED, "debug", "true", "false");
  a.trustworthiness["configuration"] = debug ? kConfigurationDebug : kConfigurationApproved;
  const std::uint32_t vmpl = claims.value("vmpl", 255u);
  if (std::find(policy.allowed_vmpl().begin(), policy.allowed_vmpl().end(), vmpl) == policy.allowed_vmpl().end()) {
    Add(a, v1::DENY_REASON_VMPL_NOT_ALLOWED, "vmpl", absl::StrCat(vmpl), Joined(policy.allowed_vmpl()));
  }
  if (claims.value("migrate_ma", true) && !policy.allow_migration_agent()) {
    Add(a, v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED, "migrate_ma", "true", "false");
  }
  if (claims.value("smt", true) && policy.forbid_smt())
    Add(a, v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED, "smt", "true", "false");
  const std::string signing_key = claims.value("signing_key", "");
  const auto& keys = policy.allowed_signing_keys();
  if (std::find(keys.begin(), keys.end(), signing_key) == keys.end()) {
    Add(a, v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED, "signing_key", signing_key, Joined(keys));
  }
  if (!policy.allowed_host_data().empty()) {
    const absl::StatusOr<std::string> seen = FromHex(claims.value("host_data", ""));
    const auto& allowed = policy.allowed_host_data();
    if (!seen.ok() || std::find(allowed.begin(), allowed.end(), *seen) == allowed.end()) {
      Add(a, v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED, "host_data", claims.value("host_data", ""),
          "one that allowed_host_data names");
    }
  }
  JudgeMinimumTcb(policy, claims, a);
}

// A log that explains none of the PCRs that policy asks for replays trivially, so each of them must be one that it
// extends.
bool LogExplains(const config::v1::TpmPolicy& policy, const json& claims) {
  const json replayed = claims.value(json::json_pointer("/event_log/replayed/" + policy.bank()), json::array());
  return std::all_of(policy.pcrs().begin(), policy.pcrs().end(), [&](std::uint32_t pcr) {
    return std::find(replayed.begin(), replayed.end(), pcr) != replayed.end();
  });
}

void JudgeTpm(const config::v1::TpmPolicy& policy, const json& claims, bool has_event_log, Appraisal& a) {
  const std::string alg = policy.bank() == "sha384" ? "0xc" : "0xb";
  json expected =
      json::array({json::array({alg, std::vector<std::uint32_t>(policy.pcrs().begin(), policy.pcrs().end())})});
  const json seen = claims.value("pcr_select", json(nullptr));
  if (seen != expected) Add(a, v1::DENY_REASON_PCR_SELECTION_NOT_ALLOWED, "pcr_select", seen.dump(), expected.dump());
  if (policy.require_event_log() && !(has_event_log && LogExplains(policy, claims))) {
    Add(a, v1::DENY_REASON_EVENT_LOG_MISMATCH, "event_log",
        has_event_log ? claims.value("event_log", json()).dump() : "none",
        absl::StrCat("one that extends each of PCR ", absl::StrJoin(policy.pcrs(), ","), " of ", policy.bank()));
  }
  a.trustworthiness["configuration"] = kConfigurationApproved;
}

void JudgeReference(const CompiledEvidencePolicy& policy, const ReferenceValueIndex& references, absl::Time now,
                    Appraisal& a) {
  const Reference* found = references.Find(a.claims.measurement_key);
  if (found == nullptr) {
    a.trustworthiness["executables"] = kExecutablesUnrecognised;
    if (!policy.policy.insecure_accept_unknown_software()) {
      Add(a, v1::DENY_REASON_MEASUREMENT_UNKNOWN, "measurement", a.claims.measurement_key,
          absl::StrCat("one of ", references.size(), " reference values"), "reference values");
    }
    return;
  }
  a.reference = *found;
  a.trustworthiness["executables"] = kExecutablesApproved;
  const std::string source = absl::StrCat("reference value ", found->name, " ", found->version, " of ", found->vendor);
  if (found->withdrawn)
    Add(a, v1::DENY_REASON_REFERENCE_VALUE_EXPIRED, "measurement", a.claims.measurement_key,
        "software that is not withdrawn", source);
  if (now >= found->valid_until) {
    Add(a, v1::DENY_REASON_REFERENCE_VALUE_EXPIRED, "measurement", a.claims.measurement_key,
        absl::StrCat("appraisal before ", absl::FormatTime(absl::RFC3339_sec, found->valid_until, absl::UTCTimeZone())),
        source);
  }
}

void JudgeConditions(const CompiledEvidencePolicy& policy, Appraisal& a) {
  if (policy.conditions.all().empty()) return;
  cel::Activation activation;
  json evidence = a.claims.claims;
  evidence["format"] = a.claims.format;
  evidence["insecure"] = a.claims.insecure;
  activation.Set("evidence", JsonToCel(evidence));
  if (a.reference.has_value()) {
    activation.Set(
        "software",
        JsonToCel({{"name", a.reference->name}, {"version", a.reference->version}, {"vendor", a.reference->vendor}}));
  }
  for (const FailedCondition& failed : policy.conditions.Failed(activation)) {
    // Without a value (an absent field, say) it is refused as well, and the operator is told that the policy, not the
    // Evidence, may be what is wrong.
    const bool no_value = !failed.error.empty();
    Add(a, no_value ? v1::DENY_REASON_EXPRESSION_FAILED : v1::DENY_REASON_APPRAISAL_POLICY_REFUSED, failed.source,
        no_value ? failed.error : failed.seen, failed.expected, absl::StrCat("condition ", failed.name));
  }
}

// A finding that is a bar of policy over otherwise genuine Evidence: everything verifies under a key for which nobody
// vouches.
bool IsPolicyBar(const Finding& finding) { return finding.reason == v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED; }

bool FormatAllowed(const CompiledEvidencePolicy& policy, const std::string& format) {
  return (format == "sev-snp" && policy.policy.has_sev_snp()) || (format == "tpm2" && policy.policy.has_tpm2());
}

}  // namespace

Appraisal AppraiseResult(EvidenceResult result, bool has_event_log, const CompiledEvidencePolicy& policy,
                         const ReferenceValueIndex& references, absl::Time now) {
  Appraisal a;
  a.claims = std::move(result.claims);
  a.findings = std::move(result.findings);
  if (!std::all_of(a.findings.begin(), a.findings.end(), IsPolicyBar)) return a;  // kReject
  if (!FormatAllowed(policy, a.claims.format)) {
    Add(a, v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED, "format", a.claims.format, "a format that the policy names");
  } else {
    a.trustworthiness["hardware"] = a.claims.insecure ? kHardwareDevelopment : kHardwareGenuine;
    if (a.claims.format == "sev-snp") JudgeSnp(policy.policy.sev_snp(), a.claims.claims, a);
    if (a.claims.format == "tpm2") JudgeTpm(policy.policy.tpm2(), a.claims.claims, has_event_log, a);
    JudgeReference(policy, references, now, a);
    JudgeConditions(policy, a);
  }
  a.verdict = a.findings.empty() ? Verdict::kAccept : Verdict::kDenyPolicy;
  if (a.verdict == Verdict::kAccept) {
    const bool warning = a.trustworthiness["executables"] == kExecutablesUnrecognised ||
                         a.trustworthiness["configuration"] == kConfigurationDebug;
    a.status = warning ? EarStatus::kWarning : EarStatus::kAffirming;
  }
  return a;
}

Appraisal AppraiseEvidence(const v1::Evidence& evidence, const CompiledEvidencePolicy& policy,
                           const ReferenceValueIndex& references, const TrustStore& trust, absl::Time now) {
  switch (evidence.format_case()) {
    case v1::Evidence::kSevSnp:
      return AppraiseResult(VerifySnp(evidence.sev_snp(), trust, now), false, policy, references, now);
    case v1::Evidence::kTpm2:
      return AppraiseResult(VerifyTpm(evidence.tpm2(), trust, now), !evidence.tpm2().event_log().empty(), policy,
                            references, now);
    case v1::Evidence::FORMAT_NOT_SET:
      break;
  }
  Appraisal a;
  Add(a, v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED, "format", "unset", "sev_snp or tpm2", "evidence.proto");
  return a;
}

std::string FindingDetail(const Finding& f) {
  return absl::StrCat(f.claim, ": saw ", f.seen.empty() ? "nothing" : f.seen, ", expected ", f.expected, " (", f.source,
                      ")");
}

std::string FindingText(const Finding& f) { return absl::StrCat(DenyReasonName(f.reason), ": ", FindingDetail(f)); }

absl::Status RefusalOf(const Appraisal& appraisal) {
  if (appraisal.findings.empty())
    return Deny(v1::DENY_REASON_INTERNAL, "an appraisal without findings was not accepted");
  const Finding& first = appraisal.findings.front();
  std::string text = FindingDetail(first);  // its reason is the refusal's own
  for (std::size_t i = 1; i < appraisal.findings.size(); ++i)
    absl::StrAppend(&text, "; ", FindingText(appraisal.findings[i]));
  return Deny(first.reason, text);
}

json ClaimsForResults(const EvidenceClaims& claims) {
  static const char* const kKept[] = {
      "version",           "product",       "guest_svn",  "policy",      "debug",
      "migrate_ma",        "smt",           "vmpl",       "signing_key", "reported_tcb",
      "measurement",       "host_data",     "family_id",  "image_id",    "id_key_digest",
      "author_key_digest", "cpuid_fms",     "pcr_select", "pcr_digest",  "pcrs",
      "firmware_version",  "ak_endorsed_by"};
  json kept = {{"format", claims.format}, {"insecure", claims.insecure}};
  for (const char* name : kKept) {
    if (const auto found = claims.claims.find(name); found != claims.claims.end()) kept[name] = *found;
  }
  // Who enrolled the key by hand named the machine; that it was by hand is enough.
  if (kept.contains("ak_endorsed_by") && absl::StartsWith(kept["ak_endorsed_by"].get<std::string>(), "operator:"))
    kept["ak_endorsed_by"] = "operator";
  return kept;
}

}  // namespace twi::verifier
