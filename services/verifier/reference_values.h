// Reference Values (RFC 9334 section 8.3): which measured software is known, found by index, never by scanning.
#ifndef TWI_SERVICES_VERIFIER_REFERENCE_VALUES_H_
#define TWI_SERVICES_VERIFIER_REFERENCE_VALUES_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/twi/config/v1/evidence_policy.pb.h"

namespace twi::verifier {

// What a measurement stands for.
struct Reference {
  std::string name, version, vendor;
  absl::Time valid_until;
  bool withdrawn = false;
};

class ReferenceValueIndex {
 public:
  // Checks every value: name, version, vendor and valid_until are set; the measurement has its size; PCRs of one known
  // bank, ascending, no duplicates. Two values for one measurement are refused (CONFIG_INVALID): which of the two it is
  // would be a guess.
  static absl::StatusOr<ReferenceValueIndex> Build(const std::vector<config::v1::ReferenceValues>& files);

  // By EvidenceClaims::measurement_key; null when there is none. Expiry and withdrawal are judged by the appraisal,
  // which can then say so.
  const Reference* Find(absl::string_view measurement_key) const;
  std::size_t size() const { return by_key_.size(); }

 private:
  absl::flat_hash_map<std::string, Reference> by_key_;
};

// "sev-snp:<hex>"
std::string SnpMeasurementKey(absl::string_view measurement48);
// "tpm2:sha256:0,1,2:<hex SHA-256 over the values in order>"; `pcrs` ascending by index.
std::string TpmMeasurementKey(absl::string_view bank, const std::vector<std::pair<std::uint32_t, std::string>>& pcrs);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_REFERENCE_VALUES_H_
