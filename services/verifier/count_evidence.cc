#include "services/verifier/count_evidence.h"

#include <string>

#include "common/status/deny.h"

namespace twi::verifier {
namespace {

std::string ChipFamily(const EvidenceClaims& claims) {
  if (claims.format == "tpm2") return "tpm";
  const auto product = claims.claims.find("product");
  if (claims.format != "sev-snp" || product == claims.claims.end() || !product->is_string()) return "unknown";
  for (const char* known : {"Milan", "Genoa", "Turin"}) {
    if (*product == known) return known;
  }
  return "unknown";
}

}  // namespace

metrics::Labels EvidenceLabels(const Appraisal& appraisal) {
  const std::string& format = appraisal.claims.format;
  const bool accepted = appraisal.verdict == Verdict::kAccept;
  const DenyReason reason = appraisal.findings.empty() ? v1::DENY_REASON_INTERNAL : appraisal.findings.front().reason;
  return {{"format", format == "sev-snp" || format == "tpm2" ? format : "unknown"},
          {"chip_family", ChipFamily(appraisal.claims)},
          {"outcome", accepted ? "OK" : DenyReasonName(reason)}};
}

void CountEvidence(metrics::Metrics& metrics, const Appraisal& appraisal) {
  metrics.CounterOf("twi_evidence_appraised_total", EvidenceLabels(appraisal)).Increment();
}

}  // namespace twi::verifier
