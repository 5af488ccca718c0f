#include "services/verifier/reference_values.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::verifier {
namespace {

constexpr std::size_t kSnpMeasurementSize = 48;
constexpr std::uint32_t kMaxPcr = 23;

absl::Status Invalid(const config::v1::ReferenceValue& value, absl::string_view detail) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID,
              absl::StrCat("reference value \"", value.name(), "\" ", value.version(), ": ", detail));
}

absl::StatusOr<std::string> KeyOf(const config::v1::ReferenceValue& value) {
  switch (value.measured_case()) {
    case config::v1::ReferenceValue::kSevSnpMeasurement:
      if (value.sev_snp_measurement().size() != kSnpMeasurementSize)
        return Invalid(value, "sev_snp_measurement: expected 48 bytes in hex");
      return SnpMeasurementKey(value.sev_snp_measurement());
    case config::v1::ReferenceValue::kTpm2Pcrs: {
      const config::v1::TpmPcrs& tpm = value.tpm2_pcrs();
      const std::size_t size = tpm.bank() == "sha256" ? 32 : tpm.bank() == "sha384" ? 48 : 0;
      if (size == 0) return Invalid(value, "tpm2_pcrs.bank: expected sha256 or sha384");
      if (tpm.pcrs().empty()) return Invalid(value, "tpm2_pcrs.pcrs: expected at least one");
      std::vector<std::pair<std::uint32_t, std::string>> pcrs;
      for (const config::v1::PcrReference& pcr : tpm.pcrs()) {
        if (pcr.index() > kMaxPcr) return Invalid(value, absl::StrCat("PCR ", pcr.index(), ": expected 0..23"));
        if (pcr.value().size() != size)
          return Invalid(value, absl::StrCat("PCR ", pcr.index(), ": expected ", size, " bytes in hex"));
        if (!pcrs.empty() && pcrs.back().first >= pcr.index())
          return Invalid(value, "tpm2_pcrs.pcrs: expected ascending indexes, each once");
        pcrs.emplace_back(pcr.index(), pcr.value());
      }
      return TpmMeasurementKey(tpm.bank(), pcrs);
    }
    case config::v1::ReferenceValue::MEASURED_NOT_SET:
      break;
  }
  return Invalid(value, "expected sev_snp_measurement or tpm2_pcrs");
}

}  // namespace

std::string SnpMeasurementKey(absl::string_view measurement48) {
  return absl::StrCat("sev-snp:", ToHex(measurement48));
}

std::string TpmMeasurementKey(absl::string_view bank, const std::vector<std::pair<std::uint32_t, std::string>>& pcrs) {
  std::string values;
  std::vector<std::uint32_t> indexes;
  for (const auto& [index, value] : pcrs) {
    indexes.push_back(index);
    values += value;
  }
  return absl::StrCat("tpm2:", bank, ":", absl::StrJoin(indexes, ","), ":", ToHex(crypto::Sha256(values)));
}

absl::StatusOr<ReferenceValueIndex> ReferenceValueIndex::Build(const std::vector<config::v1::ReferenceValues>& files) {
  ReferenceValueIndex index;
  for (const config::v1::ReferenceValues& file : files) {
    for (const config::v1::ReferenceValue& value : file.reference_values()) {
      if (value.name().empty()) return Invalid(value, "name: expected a text");
      if (value.version().empty()) return Invalid(value, "version: expected a text");
      if (value.vendor().empty()) return Invalid(value, "vendor: expected who vouches");
      if (!value.has_valid_until())
        return Invalid(value, "valid_until: expected a time (until when it is vouched for)");
      TWI_ASSIGN_OR_RETURN(std::string key, KeyOf(value));
      const Reference reference{value.name(), value.version(), value.vendor(),
                                absl::FromUnixSeconds(value.valid_until().seconds()), value.withdrawn()};
      const auto [at, inserted] = index.by_key_.emplace(std::move(key), reference);
      if (!inserted)
        return Invalid(value,
                       absl::StrCat("the same measurement stands for \"", at->second.name, "\" ", at->second.version));
    }
  }
  return index;
}

const Reference* ReferenceValueIndex::Find(absl::string_view measurement_key) const {
  const auto found = by_key_.find(measurement_key);
  return found == by_key_.end() ? nullptr : &found->second;
}

}  // namespace twi::verifier
