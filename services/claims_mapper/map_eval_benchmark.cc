// map.eval.{1e3,1e5}: what one mapping costs with a thousand and with a hundred thousand policies, how long the index
// takes to build, and what one more policy costs. By hand: bazel run -c opt //services/claims_mapper:map_eval_benchmark
#include <algorithm>
#include <cstdio>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "services/claims_mapper/map_claims.h"
#include "services/claims_mapper/mapping_policy.h"

namespace twi::claims_mapper {
namespace {

// Three conditions, four claims; a thousandth of the policies share each software name, and versions tell those apart.
PolicyPtr MakePolicy(int i, int names) {
  const auto policy = ParseMappingPolicy(
      absl::StrCat(
          "name: p", i,
          "\nversion: 1\nowner: spiffe://example.org/owner/a\nworkload_identifier: spiffe://example.org/a/w", i,
          "\naccepts: [attestation_results]\nmatch:\n- {name: status, expression: 'results.status == \"affirming\"'}\n",
          "- {name: software, expression: 'results.software.name == \"w", i % names,
          "\" && results.software.version == \"", i / names,
          "\"'}\n- {name: hardware, expression: 'results.trustworthiness[\"hardware\"] == 2'}\n",
          "claims:\n- {name: team, constant: payroll}\n- {name: version, expression: results.software.version}\n",
          "- {name: tier, constant_int: 1}\n- {name: region, expression: results.attester.region}\n"),
      "bench");
  if (!policy.ok()) std::abort();
  return *policy;
}

MapInput MakeInput(int i, int names) {
  return InputFromAnticipated(
      {{"status", "affirming"},
       {"trustworthiness", {{"hardware", 2}, {"executables", 3}, {"configuration", 2}}},
       {"software",
        {{"name", absl::StrCat("w", i % names)}, {"version", absl::StrCat(i / names)}, {"vendor", "Example"}}},
       {"policy_ids", {"default@sha256:00"}},
       {"audience", "https://ca.example.org"},
       {"target", "https://db.example.org"},
       {"issuer", "spiffe://example.org/twi/verifier"},
       {"attester", {{"format", "sev-snp"}, {"region", "eu"}}}});
}

void Run(const char* name, int count) {
  const int names = std::max(1, count / 10);
  std::vector<PolicyPtr> policies;
  const absl::Time start = absl::Now();
  for (int i = 0; i < count; ++i) policies.push_back(MakePolicy(i, names));
  const absl::Time parsed = absl::Now();
  const auto snapshot = *PolicySnapshot::FromPolicies(policies);
  const absl::Time built = absl::Now();
  auto more = snapshot;
  std::vector<double> adding;  // milliseconds
  for (int i = 0; i < 21; ++i) {
    const PolicyPtr policy = MakePolicy(count + i, names);
    const absl::Time begin = absl::Now();
    const auto next = more->With(policy);
    adding.push_back(absl::ToDoubleMilliseconds(absl::Now() - begin));
    if (!next.ok()) std::abort();
    more = *next;
  }
  std::sort(adding.begin(), adding.end());

  constexpr int kRuns = 100000;
  std::vector<MapInput> inputs;
  for (int i = 0; i < 1000; ++i) {
    MapInput input = MakeInput(static_cast<int>((i * 7919LL) % count), names);
    input.kind = v1::INPUT_KIND_ATTESTATION_RESULTS;
    inputs.push_back(std::move(input));
  }
  std::vector<double> micros;
  micros.reserve(kRuns);
  const absl::Time first = absl::Now();
  for (int i = 0; i < kRuns; ++i) {
    const absl::Time begin = absl::Now();
    if (!MapClaims(*more, inputs[i % inputs.size()]).ok()) std::abort();
    micros.push_back(absl::ToDoubleMicroseconds(absl::Now() - begin));
  }
  const double total = absl::ToDoubleSeconds(absl::Now() - first);
  std::sort(micros.begin(), micros.end());
  std::printf(
      "%s: %.0f ops/s, p50 %.2f us, p99 %.2f us; parse and compile %.1f us per policy, index built in %.1f ms, one "
      "more policy %.3f ms\n",
      name, kRuns / total, micros[kRuns / 2], micros[kRuns * 99 / 100],
      absl::ToDoubleMicroseconds(parsed - start) / count, absl::ToDoubleMilliseconds(built - parsed),
      adding[adding.size() / 2]);
}

}  // namespace
}  // namespace twi::claims_mapper

int main() {
  twi::claims_mapper::Run("map.eval.1e3", 1000);
  twi::claims_mapper::Run("map.eval.1e5", 100000);
  return 0;
}
