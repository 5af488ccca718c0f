#include "services/key_store/release_policy.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/load_yaml.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "proto/twi/config/v1/release_policy.pb.h"

namespace twi::key_store {
namespace {

constexpr char kName[] = "release_policy";

absl::Status Invalid(absl::string_view detail) { return Deny(v1::DENY_REASON_RELEASE_POLICY_INVALID, detail); }

bool PinsSoftware(const Conditions::Named& condition) {
  const std::vector<cel::RequiredLiteral> required = condition.program.RequiredEqualities();
  return std::any_of(required.begin(), required.end(), [](const cel::RequiredLiteral& literal) {
    return !literal.alternatives.empty() && SaysWhichSoftware(literal.path);
  });
}

}  // namespace

bool SaysWhichSoftware(const std::vector<std::string>& path) {
  static const auto* const kClaims =
      new std::set<std::string>{"measurement", "host_data", "id_key_digest", "author_key_digest", "pcrs"};
  if (path.size() < 3 || path[0] != "results") return false;
  return (path[1] == "software" && path[2] == "name") || (path[1] == "attester" && kClaims->count(path[2]) == 1);
}

absl::StatusOr<ReleasePolicy> ReleasePolicy::Compile(absl::string_view document) {
  if (document.empty() || document.size() > kMaxDocument)
    return Invalid(absl::StrCat(kName, ": ", document.size(), " bytes, 1..", kMaxDocument, " are allowed"));
  config::v1::ReleasePolicy policy;
  if (const absl::Status parsed = config::ParseYaml(document, kName, policy); !parsed.ok())
    return Invalid(parsed.message());
  if (policy.conditions().empty()) return Invalid(absl::StrCat(kName, ": conditions: expected at least one"));
  std::vector<std::pair<std::string, std::string>> named;
  for (const config::v1::ReleaseCondition& condition : policy.conditions())
    named.emplace_back(condition.name(), condition.expression());
  absl::StatusOr<Conditions> conditions = Conditions::Compile(named, {{"results", ResultsType()}});
  if (!conditions.ok()) return Invalid(absl::StrCat(kName, ": ", conditions.status().message()));
  if (std::none_of(conditions->all().begin(), conditions->all().end(), PinsSoftware)) {
    return Invalid(absl::StrCat(kName,
                                ": no condition pins the software, so that any attested workload would get the key; "
                                "expected one like results.software.name == \"payroll\" or "
                                "results.attester.measurement in [\"...\"], not below || or !"));
  }
  return ReleasePolicy(*std::move(conditions));
}

absl::Status ReleasePolicy::Match(const AttestationResults& results) const {
  return MatchObject(ResultsForPolicy(results));
}

absl::Status ReleasePolicy::MatchObject(const nlohmann::json& results) const {
  cel::Activation activation;
  activation.Set("results", JsonToCel(results));
  const std::vector<FailedCondition> failed = conditions_.Failed(activation);
  if (failed.empty()) return absl::OkStatus();
  return Deny(v1::DENY_REASON_RELEASE_POLICY_REFUSED,
              absl::StrJoin(failed, "; ", [](std::string* out, const FailedCondition& condition) {
                absl::StrAppend(out, condition.ToString());
              }));
}

bool ReleasePolicy::Pins(const std::vector<std::string>& path) const {
  for (const Conditions::Named& condition : conditions_.all()) {
    for (const cel::RequiredLiteral& required : condition.program.RequiredEqualities()) {
      const bool holds_path =
          required.path.size() <= path.size() && std::equal(required.path.begin(), required.path.end(), path.begin());
      if (holds_path && required.alternatives.size() == 1) return true;
    }
  }
  return false;
}

bool ReleasePolicy::Requires(const cel::RequiredLiteral& wanted) const {
  const auto is_wanted = [&wanted](const cel::Value& value) {
    return std::any_of(wanted.alternatives.begin(), wanted.alternatives.end(),
                       [&value](const cel::Value& one) { return one == value; });
  };
  for (const Conditions::Named& condition : conditions_.all()) {
    for (const cel::RequiredLiteral& required : condition.program.RequiredEqualities()) {
      if (required.path == wanted.path &&
          std::all_of(required.alternatives.begin(), required.alternatives.end(), is_wanted)) {
        return true;
      }
    }
  }
  return false;
}

absl::StatusOr<std::shared_ptr<const ReleasePolicy>> ReleasePolicyCache::Get(const std::string& key_id,
                                                                             absl::string_view document) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto found = compiled_.find(key_id); found != compiled_.end()) return found->second;
  }
  // It compiled when the key was made; should this release's rules be stricter, the key stays shut.
  TWI_ASSIGN_OR_RETURN(ReleasePolicy compiled, ReleasePolicy::Compile(document));
  auto shared = std::make_shared<const ReleasePolicy>(std::move(compiled));
  const std::lock_guard<std::mutex> lock(mutex_);
  if (compiled_.size() >= kMaxEntries) compiled_.clear();
  compiled_[key_id] = shared;
  return shared;
}

}  // namespace twi::key_store
