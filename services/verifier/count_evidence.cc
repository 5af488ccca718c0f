#include "services/verifier/count_evidence.h"

#include <mutex>
#include <string>

#include "common/status/deny.h"

namespace twi::verifier {
namespace {

constexpr absl::string_view kUnknown = "unknown";

absl::string_view Format(const EvidenceClaims& claims) {
  for (const char* known : {"sev-snp", "tpm2"}) {
    if (claims.format == known) return known;
  }
  return kUnknown;
}

absl::string_view ChipFamily(const EvidenceClaims& claims) {
  if (claims.format == "tpm2") return "tpm";
  const auto product = claims.claims.find("product");
  if (claims.format != "sev-snp" || product == claims.claims.end() || !product->is_string()) return kUnknown;
  for (const char* known : {"Milan", "Genoa", "Turin"}) {
    if (*product == known) return known;
  }
  return kUnknown;
}

// UNSPECIFIED: accepted.
DenyReason Outcome(const Appraisal& appraisal) {
  if (appraisal.verdict == Verdict::kAccept) return v1::DENY_REASON_UNSPECIFIED;
  return appraisal.findings.empty() ? v1::DENY_REASON_INTERNAL : appraisal.findings.front().reason;
}

}  // namespace

metrics::Counter EvidenceCounter::CounterOf(const Series& series) {
  {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    if (const auto found = counters_.find(series); found != counters_.end()) return found->second;
  }
  const auto& [format, chip_family, outcome] = series;
  const auto reason = static_cast<DenyReason>(outcome);
  const metrics::Counter counter =
      metrics_.CounterOf("twi_evidence_appraised_total",
                         {{"format", std::string(format)},
                          {"chip_family", std::string(chip_family)},
                          {"outcome", reason == v1::DENY_REASON_UNSPECIFIED ? "OK" : DenyReasonName(reason)}});
  const std::unique_lock<std::shared_mutex> lock(mutex_);
  return counters_.emplace(series, counter).first->second;  // the same one, when another thread was faster
}

void EvidenceCounter::Count(const Appraisal& appraisal) {
  const DenyReason outcome = Outcome(appraisal);
  CounterOf({Format(appraisal.claims), ChipFamily(appraisal.claims), static_cast<int>(outcome)}).Increment();
}

}  // namespace twi::verifier
