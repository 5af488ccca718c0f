// The offline appraisal: files that were loaded, and the rules to judge them by, in; one report out. A plain function:
// no file, no clock, no output.
#ifndef TWI_SERVICES_TWICTL_APPRAISE_OFFLINE_H_
#define TWI_SERVICES_TWICTL_APPRAISE_OFFLINE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "services/verifier/appraise_evidence.h"
#include "services/verifier/evidence_files.h"

namespace twi::twictl {

struct OfflineRules {
  std::optional<verifier::CompiledEvidencePolicy> policy;  // unset: the offline default, see AppraiseOffline
  std::optional<verifier::ReferenceValueIndex>
      references;  // unset: software is not compared (with the default policy), or refused (with one of the operator's)
  verifier::TrustStore trust;
  absl::Time now;
  std::optional<std::string> expected_binding;  // the whole freshness field
};

struct OfflineReport {
  verifier::Verdict verdict = verifier::Verdict::kReject;
  std::vector<verifier::Finding> findings;  // empty exactly when accepted
  std::string evidence;                     // the file that was appraised
  std::string format;                       // "sev-snp", "tpm2", "endorsement"; empty when nothing was recognised
  nlohmann::json fields = nlohmann::json::object();
  std::vector<std::string> checked, not_checked;
};

// Verifies and judges. The default policy refuses debug, a migration agent, SHA-1 banks and attestation keys that
// nobody vouches for; it judges neither VMPL nor which PCRs are quoted, and compares software only when there are
// reference values. A file may hold quotes over several banks: all must be genuine; judged are those of the policy's
// bank (default: SHA-256 and SHA-384, or SHA-1 when there is nothing else, which is refused).
OfflineReport AppraiseOffline(const verifier::LoadedEvidence& loaded, const OfflineRules& rules);

// The report of files that could not be loaded, or of companions that do not parse.
verifier::Finding LoadFinding(const absl::Status& error);

std::string VerdictName(verifier::Verdict verdict);  // "accept", "deny-policy", "reject"
nlohmann::json ReportJson(const OfflineReport& report);
std::string ReportText(const OfflineReport& report);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_APPRAISE_OFFLINE_H_
