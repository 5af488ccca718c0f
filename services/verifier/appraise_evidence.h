// The Verifier's decision (RFC 9334 section 7, B4 D3 A5 C6): is this Evidence genuine, and does the appraisal policy
// accept what it says. Plain functions over values.
#ifndef TWI_SERVICES_VERIFIER_APPRAISE_EVIDENCE_H_
#define TWI_SERVICES_VERIFIER_APPRAISE_EVIDENCE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/attestation_results/attestation_results.h"
#include "proto/twi/v1/evidence.pb.h"
#include "services/verifier/evidence_policy.h"
#include "services/verifier/formats/format.h"
#include "services/verifier/reference_values.h"

namespace twi::verifier {

enum class Verdict {
  kAccept,      // genuine, and the policy accepts it
  kDenyPolicy,  // genuine (or genuine but for a self-asserted key), and the policy refuses it
  kReject,      // not genuine
};

struct Appraisal {
  Verdict verdict = Verdict::kReject;
  std::vector<Finding> findings;  // everything that was wrong; empty exactly when accepted
  EvidenceClaims claims;
  std::optional<Reference> reference;
  // For the Attestation Results; meaningful when accepted.
  EarStatus status = EarStatus::kContraindicated;
  std::map<std::string, int> trustworthiness;
};

// Checks, in this order: the format's own verification (formats/*.h), a development chain only through
// TrustStore::insecure_anchors; the format is one that the policy names (EVIDENCE_FORMAT_UNSUPPORTED); debug, VMPL,
// migration agent, SMT, signing key, host data, minimum TCB (sev-snp); bank, selection, and where policy requires one
// an event log that extends each of the policy's PCRs (tpm2); a reference value in force for what was measured; the
// policy's conditions. Nothing is skipped because something else failed, so that the findings are complete; but no
// policy is evaluated over Evidence that is not genuine. `freshness` is reported, not checked: MatchBinding is the
// caller's.
Appraisal AppraiseEvidence(const v1::Evidence& evidence, const CompiledEvidencePolicy& policy,
                           const ReferenceValueIndex& references, const TrustStore& trust, absl::Time now);

// The same, for Evidence whose format's result is at hand already (twictl appraises files that hold several quotes).
Appraisal AppraiseResult(EvidenceResult result, bool has_event_log, const CompiledEvidencePolicy& policy,
                         const ReferenceValueIndex& references, absl::Time now);

// The refusal of an appraisal that was not accepted: the first finding's reason, every finding in the detail.
absl::Status RefusalOf(const Appraisal& appraisal);
// "REASON: CLAIM: saw ..., expected ... (SOURCE)"; the detail is without the reason.
std::string FindingText(const Finding& finding);
std::string FindingDetail(const Finding& finding);

// What of the claims may stand in Attestation Results: no chip id, no clock, nothing that names one machine (RFC 9334
// section 11).
nlohmann::json ClaimsForResults(const EvidenceClaims& claims);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_APPRAISE_EVIDENCE_H_
