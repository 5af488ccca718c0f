// What the Verifier judges by, read from the files that its config names: policy, reference values, trust. One
// immutable snapshot; a reload makes a new one or leaves the old.
#ifndef TWI_SERVICES_VERIFIER_APPRAISAL_FILES_H_
#define TWI_SERVICES_VERIFIER_APPRAISAL_FILES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "proto/twi/config/v1/verifier.pb.h"
#include "services/verifier/evidence_policy.h"
#include "services/verifier/formats/format.h"
#include "services/verifier/reference_values.h"

namespace twi::verifier {

struct AppraisalRules {
  CompiledEvidencePolicy policy;
  ReferenceValueIndex references;
  TrustStore trust;
};

// CONFIG_INVALID names the file and what is wrong with it. Nothing is skipped: one bad file and there are no new rules.
absl::StatusOr<std::shared_ptr<const AppraisalRules>> LoadAppraisalRules(const config::v1::Appraisal& config);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_APPRAISAL_FILES_H_
