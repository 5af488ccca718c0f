#include "integration_tests/bench/map_eval.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "integration_tests/bench/measure.h"
#include "services/claims_mapper/map_claims.h"
#include "services/claims_mapper/mapping_policy.h"

namespace twi::bench {
namespace {

using claims_mapper::MapInput;
using claims_mapper::PolicyPtr;

// Three conditions, four claims; ten policies share each software name, and versions tell those apart.
PolicyPtr MakePolicy(int i, int names) {
  const std::string document = absl::StrCat(
      "name: p", i, "\nversion: 1\nowner: spiffe://example.org/owner/a\nworkload_identifier: spiffe://example.org/a/w",
      i, "\naccepts: [attestation_results]\nmatch:\n- {name: status, expression: 'results.status == \"affirming\"'}\n",
      "- {name: software, expression: 'results.software.name == \"w", i % names, "\" && results.software.version == \"",
      i / names, "\"'}\n- {name: hardware, expression: 'results.trustworthiness[\"hardware\"] == 2'}\n",
      "claims:\n- {name: team, constant: payroll}\n- {name: version, expression: results.software.version}\n",
      "- {name: tier, constant_int: 1}\n- {name: region, expression: results.attester.region}\n");
  return OrFail(claims_mapper::ParseMappingPolicy(document, "bench"), "policy");
}

nlohmann::json MakeResults(int i, int names) {
  return {{"status", "affirming"},
          {"trustworthiness", {{"hardware", 2}, {"executables", 3}, {"configuration", 2}}},
          {"software",
           {{"name", absl::StrCat("w", i % names)}, {"version", absl::StrCat(i / names)}, {"vendor", "Example"}}},
          {"policy_ids", {"default@sha256:00"}},
          {"audience", "https://ca.example.org"},
          {"target", "https://db.example.org"},
          {"issuer", "spiffe://example.org/twi/verifier"},
          {"attester", {{"format", "sev-snp"}, {"region", "eu"}}}};
}

// A part of every mapping, so it is measured too.
MapInput InputOf(const nlohmann::json& results) {
  MapInput input = claims_mapper::InputFromAnticipated(results);
  input.kind = v1::INPUT_KIND_ATTESTATION_RESULTS;
  return input;
}

}  // namespace

nlohmann::ordered_json RunMapEval(int count, double seconds) {
  const int names = std::max(1, count / 10);
  const double start = WallMicros();
  std::vector<PolicyPtr> policies;
  for (int i = 0; i < count; ++i) policies.push_back(MakePolicy(i, names));
  const double parsed = WallMicros();
  const auto snapshot = OrFail(claims_mapper::PolicySnapshot::FromPolicies(std::move(policies)), "index");
  const double built = WallMicros();

  std::vector<std::pair<nlohmann::json, std::string>> inputs;  // and the policy that it is of
  for (int i = 0; i < 1000; ++i) {
    const int policy = static_cast<int>((i * 7919LL) % count);
    inputs.emplace_back(MakeResults(policy, names), absl::StrCat("p", policy));
  }
  std::vector<double> micros;
  const double cpu_before = ThreadCpuMicros(), end = WallMicros() + seconds * 1e6;
  for (double begin = WallMicros(); begin < end;) {
    const auto& [results, policy] = inputs[micros.size() % inputs.size()];
    const auto mapped = claims_mapper::MapClaims(*snapshot, InputOf(results));
    if (!mapped.ok() || mapped->policy_name != policy) Fail("map.eval: not the policy that matches");
    const double done = WallMicros();
    micros.push_back(done - begin);
    begin = done;
  }
  const double cpu = ThreadCpuMicros() - cpu_before;
  const auto unmatched = claims_mapper::MapClaims(*snapshot, InputOf(MakeResults(count + 10 * names, names)));
  if (DenyReasonOf(unmatched.status()) != v1::DENY_REASON_MAPPING_NO_POLICY)
    Fail("map.eval: an input of no policy was not refused");

  const double n = static_cast<double>(micros.size());
  nlohmann::ordered_json row = {
      {"policies", count}, {"operations", micros.size()}, {"ns_per_op", cpu / n * 1e3}, {"ops_per_s", n / cpu * 1e6}};
  row["p50_us"] = Percentile(micros, 50);
  row["p99_us"] = Percentile(micros, 99);
  row["parse_us_per_policy"] = (parsed - start) / count;
  row["index_ms"] = (built - parsed) / 1e3;
  return row;
}

}  // namespace twi::bench
