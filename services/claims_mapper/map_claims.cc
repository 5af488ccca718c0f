#include "services/claims_mapper/map_claims.h"

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/conditions/conditions.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::claims_mapper {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxExplained = 4;   // policies in the detail of MAPPING_NO_POLICY
constexpr std::size_t kMaxNamed = 8;       // policies in the detail of MAPPING_AMBIGUOUS
constexpr std::size_t kMaxDetail = 8192;   // bytes of a refusal in the log
constexpr std::size_t kMaxText = 1024;     // of a claim, bytes
constexpr std::size_t kMaxListItems = 32;  // of a claim
constexpr std::size_t kMaxClaimsText = 4096;

// Cost units, each at most a microsecond of one core and 128 bytes (common/cel/README.md): a condition or claim may
// take 20 ms, and everything that one owner's policies compute in a mapping 0.1 s. Where the owner's is spent, the rest
// of the owner's conditions are not true, and what did match of the owner's is refused: another may have, too. Those of
// another owner have their own. The owners are those of the config.
constexpr std::int64_t kMaxExpressionCost = 20000;
constexpr std::int64_t kMaxOwnerCost = 100000;

// What the policies of each owner may still cost in one mapping.
class Costs {
 public:
  cel::EvalLimits Of(const MappingPolicy& policy) {
    cel::EvalLimits limits;
    limits.max_cost = kMaxExpressionCost;
    limits.shared_cost = &left_.try_emplace(policy.owner, kMaxOwnerCost).first->second;
    return limits;
  }
  // Of one whose limits were asked for.
  bool AreSpentFor(const MappingPolicy& policy) const { return left_.at(policy.owner) <= 0; }

 private:
  std::map<absl::string_view, std::int64_t> left_;  // the policies outlive it
};

// An error (an absent field, a cost limit) is not true; MAPPING_NO_POLICY tells the two apart.
bool IsTrue(const Condition& condition, const MapInput& input, const cel::EvalLimits& limits) {
  const absl::StatusOr<bool> value = condition.program.EvaluateBool(input.values, limits);
  return value.ok() && *value;
}

bool Matches(const MappingPolicy& policy, const MapInput& input, const cel::EvalLimits& limits) {
  for (const Condition& condition : policy.match) {
    if (!IsTrue(condition, input, limits)) return false;
  }
  return true;
}

// Would it match if it accepted this kind of input? Conditions on `evidence` cannot be asked without any.
bool MatchesBesidesKind(const MappingPolicy& policy, const MapInput& input, const cel::EvalLimits& limits) {
  for (const Condition& condition : policy.match) {
    if (condition.uses_evidence && input.kind != v1::INPUT_KIND_EVIDENCE) continue;
    if (!IsTrue(condition, input, limits)) return false;
  }
  return true;
}

std::string Labels(const std::vector<const MappingPolicy*>& policies) {
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < policies.size() && i < kMaxNamed; ++i)
    labels.push_back(absl::StrCat(policies[i]->Label(), " of ", policies[i]->owner));
  if (policies.size() > kMaxNamed) labels.push_back(absl::StrCat("and ", policies.size() - kMaxNamed, " more"));
  return absl::StrJoin(labels, ", ");
}

// "payroll@3: image: results.software.name == "payroll": seen "ledger", expected == "payroll"; ..."
std::string Explain(const MappingPolicy& policy, const MapInput& input, const cel::EvalLimits& limits) {
  std::vector<std::string> failed;
  for (const Condition& condition : policy.match) {
    for (const cel::FailedConjunct& conjunct : condition.program.FailedConjuncts(input.values, limits)) {
      std::string line = absl::StrCat("condition \"", condition.name, "\": ", conjunct.source);
      if (!conjunct.seen.empty()) absl::StrAppend(&line, ": seen ", conjunct.seen);
      if (!conjunct.expected.empty()) absl::StrAppend(&line, ", expected ", conjunct.expected);
      if (!conjunct.error.empty()) absl::StrAppend(&line, ": ", conjunct.error);
      failed.push_back(std::move(line));
    }
  }
  if (failed.empty()) failed.push_back("not evaluated, its owner's policies cost too much together");
  return absl::StrCat(policy.Label(), ": ", absl::StrJoin(failed, "; "));
}

std::string SeenAt(const cel::Activation& values, const std::string& field) {
  const std::vector<std::string> path = absl::StrSplit(field, '.');
  const cel::Value* at = values.Find(path[0]);
  for (std::size_t i = 1; i < path.size() && at != nullptr; ++i) at = at->Find(absl::string_view(path[i]));
  return at == nullptr ? "absent" : at->ToCelText(128);
}

absl::Status NoPolicy(const PolicySnapshot& policies, const MapInput& input) {
  std::vector<std::string> lines;
  Costs costs;  // anew: the few that are explained do not pay for those that are not
  for (const MappingPolicy* policy : policies.Nearest(input.values, kMaxExplained))
    lines.push_back(Explain(*policy, input, costs.Of(*policy)));
  if (lines.empty()) {
    for (const std::string& field : policies.fields())
      lines.push_back(absl::StrCat(field, " is ", SeenAt(input.values, field), ", no policy requires that"));
  }
  std::string detail = absl::StrCat("none of ", policies.size(), " policies matches. ", absl::StrJoin(lines, " | "));
  if (detail.size() > kMaxDetail) detail = absl::StrCat(absl::string_view(detail).substr(0, kMaxDetail), " ...");
  return Deny(v1::DENY_REASON_MAPPING_NO_POLICY, detail);
}

absl::StatusOr<json> ClaimJson(const MappedClaim& claim, const cel::Value& value) {
  using Kind = cel::Value::Kind;
  const auto failed = [&claim](absl::string_view what) {
    return Deny(v1::DENY_REASON_MAPPING_CLAIM_FAILED, absl::StrCat("claim ", claim.name, ": ", what));
  };
  const auto is_text = [](const cel::Value& v) { return v.Is(Kind::kString) && v.text().size() <= kMaxText; };
  switch (value.kind()) {
    case Kind::kBool:
      return json(value.bool_value());
    case Kind::kInt:
      return json(value.int_value());
    case Kind::kString:
      if (!is_text(value)) return failed("the string is over 1024 bytes");
      return json(std::string(value.text()));
    case Kind::kList: {
      json list = json::array();
      if (value.list().size() > kMaxListItems) return failed("the list has more than 32 items");
      for (const cel::Value& item : value.list()) {
        if (!is_text(item)) return failed("the list holds something else than strings of up to 1024 bytes");
        list.push_back(std::string(item.text()));
      }
      return list;
    }
    default:
      return failed(absl::StrCat("the value is of type ", cel::KindName(value.kind()),
                                 ", not string, bool, int or list of strings"));
  }
}

absl::StatusOr<json> ComputeClaims(const MappingPolicy& policy, const MapInput& input, const cel::EvalLimits& limits) {
  json claims = json::object();
  for (const MappedClaim& claim : policy.claims) {
    if (!claim.program.has_value()) {
      claims[claim.name] = claim.constant;
      continue;
    }
    const absl::StatusOr<cel::Value> value = claim.program->Evaluate(input.values, limits);
    if (!value.ok()) {
      return Deny(v1::DENY_REASON_MAPPING_CLAIM_FAILED,
                  absl::StrCat(policy.Label(), ": claim ", claim.name, ": ", claim.program->source(), ": ",
                               value.status().message()));
    }
    absl::StatusOr<json> computed = ClaimJson(claim, *value);
    if (!computed.ok()) return WithContext(computed.status(), policy.Label());
    claims[claim.name] = *std::move(computed);
  }
  if (claims.dump(-1, ' ', false, json::error_handler_t::replace).size() > kMaxClaimsText) {
    return Deny(v1::DENY_REASON_MAPPING_CLAIM_FAILED,
                absl::StrCat(policy.Label(), ": the claims are over 4 KiB together"));
  }
  return claims;
}

}  // namespace

MapInput InputFromResults(v1::InputKind kind, const AttestationResults& results) {
  MapInput input;
  input.kind = kind;
  input.values.Set("results", JsonToCel(ResultsForPolicy(results)));
  if (kind == v1::INPUT_KIND_EVIDENCE) input.values.Set("evidence", JsonToCel(results.attester_claims));
  return input;
}

MapInput InputFromAnticipated(const json& results) {
  MapInput input;
  input.kind = v1::INPUT_KIND_ANTICIPATED;
  input.values.Set("results", JsonToCel(results));
  return input;
}

absl::StatusOr<MappedClaims> MapClaims(const PolicySnapshot& policies, const MapInput& input) {
  if (input.kind == v1::INPUT_KIND_UNSPECIFIED)
    return Deny(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED, "the kind of input is unset");
  std::vector<const MappingPolicy*> matching;
  std::vector<const MappingPolicy*> of_other_kinds;
  Costs costs;
  for (const MappingPolicy* policy : policies.Candidates(input.values)) {
    if (policy->accepts.count(input.kind) == 1) {
      if (Matches(*policy, input, costs.Of(*policy))) matching.push_back(policy);
    } else if (MatchesBesidesKind(*policy, input, costs.Of(*policy))) {
      of_other_kinds.push_back(policy);
    }
  }
  if (matching.size() > 1)
    return Deny(v1::DENY_REASON_MAPPING_AMBIGUOUS,
                absl::StrCat(matching.size(), " policies match: ", Labels(matching)));
  if (matching.empty() && !of_other_kinds.empty()) {
    return Deny(
        v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED,
        absl::StrCat(v1::InputKind_Name(input.kind), " is not accepted by what matches: ", Labels(of_other_kinds)));
  }
  if (matching.empty()) return NoPolicy(policies, input);
  const MappingPolicy& policy = *matching.front();
  if (costs.AreSpentFor(policy)) {
    return Deny(v1::DENY_REASON_MAPPING_AMBIGUOUS,
                absl::StrCat(policy.Label(), " matches; ", policy.owner,
                             "'s policies cost too much together to know whether another does"));
  }
  MappedClaims mapped;
  TWI_ASSIGN_OR_RETURN(mapped.claims, ComputeClaims(policy, input, costs.Of(policy)));
  mapped.policy_name = policy.name;
  mapped.policy_version = policy.version;
  mapped.policy_sha256 = policy.sha256;
  mapped.policy_owner = policy.owner;
  mapped.workload_identifier = policy.workload_identifier;
  mapped.max_lifetime = policy.max_lifetime;
  mapped.dns_names = policy.dns_names;
  return mapped;
}

}  // namespace twi::claims_mapper
