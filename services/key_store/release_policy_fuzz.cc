// Bytes as a release policy: either refused as RELEASE_POLICY_INVALID, or a policy that never opens a key for results
// without software.
#include <cstdint>
#include <cstdlib>

#include "common/status/deny.h"
#include "services/key_store/release_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto policy =
      twi::key_store::ReleasePolicy::Compile(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!policy.ok()) {
    if (twi::DenyReasonOf(policy.status()) != twi::v1::DENY_REASON_RELEASE_POLICY_INVALID) std::abort();
    return 0;
  }
  twi::AttestationResults nothing_known;
  nothing_known.status = twi::EarStatus::kAffirming;
  nothing_known.attester_claims = nlohmann::json::object();
  if (policy->Match(nothing_known).ok()) std::abort();
  return 0;
}
