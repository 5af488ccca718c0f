// Anticipated Attestation Results (mechanism D, P1 and P2): the `results` object that a Workload Owner expects its
// workload to have, checked against the schema of those that a Verifier really makes (ResultsForPolicy). The schema as
// a CEL type is ResultsType() in common/conditions; a test holds the two together.
//   status           "none" | "affirming" | "warning" | "contraindicated"
//   trustworthiness  map of AR4SI label ("hardware", "executables", ...) to int -128..127
//   software         {name, version, vendor}: strings; null when the Verifier knows no name for what it measured
//   policy_ids       list of "id@sha256:<hex>"
//   audience, target, issuer  strings
//   attester         object: appraised claims of the Evidence; its members depend on the format
#ifndef TWI_COMMON_ANTICIPATED_RESULTS_ANTICIPATED_RESULTS_H_
#define TWI_COMMON_ANTICIPATED_RESULTS_ANTICIPATED_RESULTS_H_

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace twi {

// Checks: no member outside the schema, types and ranges right. `status` is required; another member may be left out,
// and a condition on it then fails. REQUEST_MALFORMED with every problem.
absl::Status ValidateAnticipatedResults(const nlohmann::json& results);

}  // namespace twi

#endif  // TWI_COMMON_ANTICIPATED_RESULTS_ANTICIPATED_RESULTS_H_
