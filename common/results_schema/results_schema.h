// The closed schema of `results`, the object that policies see of Attestation Results (ResultsForPolicy), said twice: as a CEL type, so that a condition on a field that no results
// carry does not compile, and as a check of an object that somebody anticipates. For the Claims Mapper's policies and the Key Store's release policies.
//   status           "none" | "affirming" | "warning" | "contraindicated"
//   trustworthiness  map of AR4SI label ("hardware", "executables", ...) to int -128..127
//   software         {name, version, vendor}: strings; null when the Verifier knows no name for what it measured
//   policy_ids       list of "id@sha256:<hex>"
//   audience, target, issuer  strings
//   attester         object: appraised claims of the Evidence; its members depend on the format
#ifndef TWI_COMMON_RESULTS_SCHEMA_RESULTS_SCHEMA_H_
#define TWI_COMMON_RESULTS_SCHEMA_RESULTS_SCHEMA_H_

#include "absl/status/status.h"
#include "common/cel/type.h"
#include "common/cel/value.h"
#include "nlohmann/json.hpp"

namespace twi {

// The CEL type of `results`: fields outside the schema are refused when an expression is compiled; those of `attester` are looked at when it is evaluated.
cel::Type ResultsType();

// The CEL type of `evidence` (mechanism A): the appraised claims, by name.
cel::Type EvidenceType();

// JSON as a CEL value. Whole numbers become int (uint above 2^63-1), others double. Depth is the caller's to bound (jose::ParseJson does).
cel::Value ToCelValue(const nlohmann::json& json);

// An anticipated `results` object: no member outside the schema, types and ranges right. `status` is required; another member may be left out, and a condition on it then fails.
// REQUEST_MALFORMED with every problem.
absl::Status ValidateAnticipatedResults(const nlohmann::json& results);

}  // namespace twi

#endif  // TWI_COMMON_RESULTS_SCHEMA_RESULTS_SCHEMA_H_
