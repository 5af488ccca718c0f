// Evidence in the metrics: by format, chip family and outcome.
#ifndef TWI_SERVICES_VERIFIER_COUNT_EVIDENCE_H_
#define TWI_SERVICES_VERIFIER_COUNT_EVIDENCE_H_

#include "common/metrics/metrics.h"
#include "services/verifier/appraise_evidence.h"

namespace twi::verifier {

// twi_evidence_appraised_total's labels. Each value is one of ours, whatever the Evidence says of itself.
metrics::Labels EvidenceLabels(const Appraisal& appraisal);

void CountEvidence(metrics::Metrics& metrics, const Appraisal& appraisal);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_COUNT_EVIDENCE_H_
