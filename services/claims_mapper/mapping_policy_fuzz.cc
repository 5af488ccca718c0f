// A policy document from an owner: any bytes are either refused as POLICY_MALFORMED, or a policy that may be asked and
// indexed.
#include <cstdint>
#include <cstdlib>

#include "common/status/deny.h"
#include "services/claims_mapper/map_claims.h"
#include "services/claims_mapper/mapping_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace twi::claims_mapper;
  const auto policy = ParseMappingPolicy(absl::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!policy.ok()) {
    if (twi::DenyReasonOf(policy.status()) != twi::v1::DENY_REASON_POLICY_MALFORMED) std::abort();
    return 0;
  }
  if ((*policy)->version == 0 || (*policy)->match.empty() || (*policy)->accepts.empty()) std::abort();
  const auto snapshot = PolicySnapshot::FromPolicies({*policy});
  if (!snapshot.ok()) std::abort();
  const auto mapped = MapClaims(
      **snapshot, InputFromAnticipated(nlohmann::json{{"status", "affirming"}, {"software", {{"name", "payroll"}}}}));
  if (mapped.ok() && mapped->workload_identifier != (*policy)->workload_identifier) std::abort();
  return 0;
}
