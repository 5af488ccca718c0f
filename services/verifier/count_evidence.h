// Evidence in the metrics: by format, chip family and outcome.
#ifndef TWI_SERVICES_VERIFIER_COUNT_EVIDENCE_H_
#define TWI_SERVICES_VERIFIER_COUNT_EVIDENCE_H_

#include <map>
#include <shared_mutex>
#include <tuple>

#include "absl/strings/string_view.h"
#include "common/metrics/metrics.h"
#include "services/verifier/appraise_evidence.h"

namespace twi::verifier {

// twi_evidence_appraised_total. Each label's value is one of ours, whatever the Evidence says of itself. Thread-safe; a
// combination that was seen before is found without allocating, and without waiting for another thread's look.
class EvidenceCounter {
 public:
  // `metrics` must outlive this.
  explicit EvidenceCounter(metrics::Metrics& metrics) : metrics_(metrics) {}
  void Count(const Appraisal& appraisal);

 private:
  using Series = std::tuple<absl::string_view, absl::string_view, int>;  // format, chip family, outcome: constants
  metrics::Counter CounterOf(const Series& series);

  metrics::Metrics& metrics_;
  std::shared_mutex mutex_;  // guards what follows
  std::map<Series, metrics::Counter> counters_;
};

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_COUNT_EVIDENCE_H_
