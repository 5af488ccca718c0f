#include "services/twictl/appraise_offline.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "services/verifier/endorsement_files.h"
#include "services/verifier/formats/snp.h"
#include "services/verifier/formats/tpm.h"
#include "services/verifier/formats/tpm_claims.h"

namespace twi::twictl {
namespace {

using verifier::Appraisal;
using verifier::CompiledEvidencePolicy;
using verifier::EvidenceResult;
using verifier::Finding;
using verifier::Verdict;

// The worse of two verdicts: reject, then deny-policy, then accept.
Verdict Worse(Verdict a, Verdict b) {
  if (a == Verdict::kReject || b == Verdict::kReject) return Verdict::kReject;
  return a == Verdict::kDenyPolicy || b == Verdict::kDenyPolicy ? Verdict::kDenyPolicy : Verdict::kAccept;
}

void Add(const Finding& finding, OfflineReport& report) {
  const std::string text = verifier::FindingText(finding);  // three quotes of one key give the same finding three times
  const bool known = std::any_of(report.findings.begin(), report.findings.end(),
                                 [&text](const Finding& f) { return verifier::FindingText(f) == text; });
  if (!known) report.findings.push_back(finding);
}

// [["0xb",[0,1,2]]] -> "0xb"; empty when the quote is over several banks, or none.
std::string BankOf(const EvidenceResult& quote) {
  const nlohmann::json& claims = quote.claims.claims;
  const auto select = claims.find("pcr_select");
  return select != claims.end() && select->size() == 1 ? (*select)[0][0].get<std::string>() : "";
}

// The offline default. `quote`: the TPM quote to be judged, or nullptr; its PCR selection is taken as the wanted
// one, because nobody said which.
absl::StatusOr<CompiledEvidencePolicy> DefaultPolicy(const EvidenceResult* quote, bool compare_software) {
  config::v1::EvidencePolicy policy;
  policy.set_id("twictl-offline-default");
  policy.set_insecure_accept_unknown_software(!compare_software);
  for (std::uint32_t vmpl : {0, 1, 2, 3}) policy.mutable_sev_snp()->add_allowed_vmpl(vmpl);
  if (quote != nullptr) {
    const std::string bank = BankOf(*quote);
    policy.mutable_tpm2()->set_bank(bank == "0xc" ? "sha384" : "sha256");
    if (!bank.empty()) {
      for (const nlohmann::json& index : quote->claims.claims["pcr_select"][0][1])
        policy.mutable_tpm2()->add_pcrs(index.get<std::uint32_t>());
    }
    if (policy.tpm2().pcrs().empty())
      policy.mutable_tpm2()->add_pcrs(0);  // no single bank: never equal to the selection, so refused
  }
  return verifier::CompileEvidencePolicy(policy, policy.id());
}

// Judges one result. `judged` false: only whether it is genuine counts.
void Judge(const EvidenceResult& result, bool has_event_log, bool judged, const OfflineRules& rules,
           OfflineReport& report) {
  static const verifier::ReferenceValueIndex* const kNoReferences = new verifier::ReferenceValueIndex();
  absl::StatusOr<CompiledEvidencePolicy> policy =
      rules.policy.has_value()
          ? *rules.policy
          : DefaultPolicy(result.claims.format == "tpm2" ? &result : nullptr, rules.references.has_value());
  if (!policy.ok()) {
    report.verdict = Verdict::kReject;
    Add(LoadFinding(policy.status()), report);
    return;
  }
  const std::size_t of_format = result.findings.size();
  Appraisal appraisal = verifier::AppraiseResult(
      result, has_event_log, *policy, rules.references.has_value() ? *rules.references : *kNoReferences, rules.now);
  if (!judged) {
    appraisal.findings.resize(std::min(of_format, appraisal.findings.size()));
    if (appraisal.verdict != Verdict::kReject)
      appraisal.verdict = appraisal.findings.empty() ? Verdict::kAccept : Verdict::kDenyPolicy;
  }
  report.verdict = Worse(report.verdict, appraisal.verdict);
  for (const Finding& finding : appraisal.findings) Add(finding, report);
}

void CheckBinding(const EvidenceResult& result, const OfflineRules& rules, OfflineReport& report) {
  if (!rules.expected_binding.has_value() || result.claims.freshness == *rules.expected_binding) return;
  report.verdict = Verdict::kReject;
  Add({v1::DENY_REASON_BINDING_MISMATCH, "freshness", ToHex(result.claims.freshness), ToHex(*rules.expected_binding),
       "--expect-binding"},
      report);
}

// What was checked is claimed only of Evidence that passed all of it: behind a failed check others may not have run.
void ListChecks(std::vector<std::string> checks, OfflineReport& report) {
  if (report.verdict != Verdict::kReject) {
    report.checked = std::move(checks);
    return;
  }
  for (std::string& check : checks) report.not_checked.push_back(absl::StrCat("not to the end: ", check));
}

void AppraiseSnp(const verifier::LoadedEvidence& loaded, const OfflineRules& rules, OfflineReport& report) {
  const EvidenceResult result = verifier::VerifySnp(loaded.snp.front(), rules.trust, rules.now);
  report.format = result.claims.format;
  report.fields = result.claims.claims;
  report.fields["insecure"] = result.claims.insecure;
  Judge(result, false, true, rules, report);
  CheckBinding(result, rules, report);
  ListChecks({"form: size, version, reserved bytes, signing key", "certificate: kind, product, TCB, chip id",
              "path to a pinned ARK", "ECDSA P-384 signature", "debug, migration agent"},
             report);
  if (!rules.policy.has_value()) report.not_checked.push_back("vmpl: the default policy takes any");
  for (const verifier::EvidenceFile& file : loaded.companions) {
    if (verifier::EndorsementKindOf(file.bytes) == verifier::EndorsementKind::kNone)
      report.not_checked.push_back(absl::StrCat("file ", file.name, ": not used"));
  }
}

void AppraiseTpm(const verifier::LoadedEvidence& loaded, const OfflineRules& rules, OfflineReport& report) {
  verifier::TpmOptions options;
  options.allow_digest_only = true;  // files of some projects never hold the values; said in not_checked
  std::vector<EvidenceResult> results;
  for (const v1::TpmEvidence& quote : loaded.tpm)
    results.push_back(verifier::VerifyTpm(quote, rules.trust, rules.now, options));
  report.format = "tpm2";
  report.fields = verifier::TpmManifestFields(results);
  const auto wanted = [&rules](const EvidenceResult& result) {
    const std::string bank = BankOf(result);
    if (!rules.policy.has_value()) return bank == "0xb" || bank == "0xc";
    return bank == (rules.policy->policy.tpm2().bank() == "sha384" ? "0xc" : "0xb");
  };
  const bool some_wanted = std::any_of(results.begin(), results.end(), wanted);
  bool insecure = false;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const bool judged = !some_wanted || wanted(results[i]);
    Judge(results[i], !loaded.tpm[i].event_log().empty(), judged, rules, report);
    CheckBinding(results[i], rules, report);
    insecure = insecure || results[i].claims.insecure;
    if (!judged)
      report.not_checked.push_back(absl::StrCat("quote over bank ", BankOf(results[i]),
                                                ": genuine or not was verified, its PCRs are not relied on"));
    if (loaded.tpm[i].pcr_values().empty())
      report.not_checked.push_back("pcr values: no file holds them; only their signed digest is known");
  }
  report.fields["insecure"] = insecure;
  ListChecks({"attestation key: attributes, scheme, who vouches for it", "quote: magic, type, lengths, signature",
              "PCR values against the signed digest", "event log, when there is one"},
             report);
  if (!rules.policy.has_value())
    report.not_checked.push_back("pcr selection: the default policy takes what was quoted");
}

void AppraiseEndorsement(const verifier::LoadedEvidence& loaded, const OfflineRules& rules, OfflineReport& report) {
  const EvidenceResult result = verifier::VerifyEndorsement(loaded.endorsement, rules.trust, rules.now);
  report.format = result.claims.format;
  report.fields = result.claims.claims;
  report.fields["insecure"] = result.claims.insecure;
  report.verdict = result.authentic() ? Verdict::kAccept : Verdict::kReject;
  for (const Finding& finding : result.findings) Add(finding, report);
  CheckBinding(result, rules, report);
  ListChecks({"certificate: vendor's extensions", "path to a pinned anchor"}, report);
  report.not_checked.push_back("Evidence: none was given, this is a certificate");
}

}  // namespace

Finding LoadFinding(const absl::Status& error) {
  return {DenyReasonOf(error), "files", std::string(error.message()), "Evidence and endorsements in a known format",
          "file formats"};
}

OfflineReport AppraiseOffline(const verifier::LoadedEvidence& loaded, const OfflineRules& rules) {
  OfflineReport report;
  report.verdict = Verdict::kAccept;
  report.evidence = loaded.evidence_name;
  if (!loaded.snp.empty()) {
    AppraiseSnp(loaded, rules, report);
  } else if (!loaded.tpm.empty()) {
    AppraiseTpm(loaded, rules, report);
  } else {
    AppraiseEndorsement(loaded, rules, report);
  }
  for (const std::string& file : loaded.left_out) report.not_checked.push_back(absl::StrCat("file ", file));
  if (loaded.envelope.is_object()) report.fields.update(loaded.envelope);
  (rules.trust.crls.empty() ? report.not_checked : report.checked)
      .push_back(rules.trust.crls.empty() ? "revocation: no CRL was given" : "revocation by the CRLs given");
  (rules.expected_binding ? report.checked : report.not_checked)
      .push_back(rules.expected_binding ? "freshness field" : "freshness: no --expect-binding");
  if (report.format != "endorsement" && !rules.policy.has_value() && !rules.references.has_value())
    report.not_checked.push_back("software: not compared, no reference values were given");
  // Fail closed, whatever the parts above said.
  if (!report.findings.empty() && report.verdict == Verdict::kAccept) report.verdict = Verdict::kReject;
  return report;
}

}  // namespace twi::twictl
