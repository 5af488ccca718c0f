// The bytes as the JSON that a Workload Owner sends: refused for one reason, or of a form that any condition can be
// evaluated over.
#include <cstdint>
#include <cstdlib>

#include "common/anticipated_results/anticipated_results.h"
#include "common/cel/program.h"
#include "common/conditions/conditions.h"
#include "common/jose/json.h"
#include "common/status/deny.h"

namespace {

const twi::Conditions& AllMembers() {
  static const twi::Conditions conditions = *twi::Conditions::Compile(
      {{"status", R"(results.status == "affirming")"},
       {"vector", "results.trustworthiness.hardware == 2"},
       {"software", R"(results.software.name + results.software.version + results.software.vendor == "x")"},
       {"policies", R"(results.policy_ids.exists(p, p.startsWith("x")))"},
       {"texts", "results.audience + results.target == results.issuer"},
       {"attester", R"(results.attester.measurement == "x")"}},
      {{"results", twi::ResultsType()}});
  return conditions;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = twi::jose::ParseJson({reinterpret_cast<const char*>(data), size}, 64 * 1024);
  if (!json.ok()) return 0;
  if (const absl::Status valid = twi::ValidateAnticipatedResults(*json); !valid.ok()) {
    if (twi::DenyReasonOf(valid) != twi::v1::DENY_REASON_REQUEST_MALFORMED) std::abort();
    return 0;
  }
  if (!json->is_object() || !json->contains("status")) std::abort();
  twi::cel::Activation activation;
  activation.Set("results", twi::JsonToCel(*json));
  if (AllMembers().Failed(activation).empty() != AllMembers().Hold(activation)) std::abort();
  return 0;
}
