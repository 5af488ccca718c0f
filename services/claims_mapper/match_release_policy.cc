#include "services/claims_mapper/match_release_policy.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/deny.h"

namespace twi::claims_mapper {
namespace {

// Its name, vendor and version, or a measurement of it.
bool IsOfTheSoftware(const std::vector<std::string>& path) {
  return key_store::SaysWhichSoftware(path) || (path.size() > 2 && path[0] == "results" && path[1] == "software");
}

void FindOtherSoftware(const Condition& condition, const key_store::ReleasePolicy& release_policy,
                       std::vector<std::string>& problems) {
  for (const cel::RequiredLiteral& required : condition.program.RequiredEqualities()) {
    if (!IsOfTheSoftware(required.path) || release_policy.Requires(required)) continue;
    problems.push_back(absl::StrCat("condition ", condition.name, " of the Claims Mapper Policy is on ",
                                    absl::StrJoin(required.path, "."), ", and no condition here wants the same of it"));
  }
}

void FindUnpinned(const MappedClaim& claim, const key_store::ReleasePolicy& release_policy,
                  std::vector<std::string>& problems) {
  if (!claim.program.has_value()) return;  // a constant
  for (const std::vector<std::string>& path : claim.program->ReadPaths()) {
    if (release_policy.Pins(path)) continue;
    problems.push_back(absl::StrCat("claim ", claim.name, " is computed from ", absl::StrJoin(path, "."),
                                    ", which no condition pins to one value"));
  }
}

}  // namespace

absl::Status MatchReleasePolicy(const MappingPolicy& policy, const nlohmann::json& anticipated,
                                const key_store::ReleasePolicy& release_policy) {
  if (const absl::Status met = release_policy.MatchObject(anticipated); !met.ok())
    return WithContext(met, "the anticipated results do not meet the release policy");
  std::vector<std::string> problems;
  for (const Condition& condition : policy.match) FindOtherSoftware(condition, release_policy, problems);
  for (const MappedClaim& claim : policy.claims) FindUnpinned(claim, release_policy, problems);
  if (problems.empty()) return absl::OkStatus();
  return Deny(v1::DENY_REASON_RELEASE_POLICY_INVALID,
              absl::StrCat("for the plan of policy ", policy.Label(), ": ", absl::StrJoin(problems, "; ")));
}

}  // namespace twi::claims_mapper
