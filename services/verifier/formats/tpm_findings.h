// Adds what is wrong with a quote to its result.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_FINDINGS_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_FINDINGS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/status/deny.h"
#include "services/verifier/formats/format.h"

namespace twi::verifier {

inline void AddFinding(EvidenceResult* result, DenyReason reason, absl::string_view claim, absl::string_view seen,
                       absl::string_view expected, absl::string_view source = "TCG TPM 2.0 Library, Part 2") {
  result->findings.push_back(
      {reason, std::string(claim), std::string(seen), std::string(expected), std::string(source)});
}

// A parser's or verifier's refusal: its reason, and its detail as what was seen.
inline void AddRefusal(EvidenceResult* result, absl::string_view claim, const absl::Status& refusal,
                       absl::string_view expected) {
  AddFinding(result, DenyReasonOf(refusal), claim, refusal.message(), expected);
}

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_FINDINGS_H_
