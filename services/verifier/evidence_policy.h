// The Appraisal Policy for Evidence, checked and compiled once.
#ifndef TWI_SERVICES_VERIFIER_EVIDENCE_POLICY_H_
#define TWI_SERVICES_VERIFIER_EVIDENCE_POLICY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/conditions/conditions.h"
#include "proto/twi/config/v1/evidence_policy.pb.h"

namespace twi::verifier {

struct CompiledEvidencePolicy {
  config::v1::EvidencePolicy policy;  // defaults filled in
  Conditions conditions;
  std::string id;  // "<id>@sha256:<hex of the document>": ear_appraisal_policy_ids
};

// `document` is the text whose digest names the policy. Checks: id set, at least one format, products known and each
// once, VMPLs 0..3, bank known, PCRs ascending 0..23 and not empty, host data of 32 bytes, signing keys known,
// conditions compile over `evidence` and `software`. CONFIG_INVALID.
absl::StatusOr<CompiledEvidencePolicy> CompileEvidencePolicy(const config::v1::EvidencePolicy& policy,
                                                             absl::string_view document);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_EVIDENCE_POLICY_H_
