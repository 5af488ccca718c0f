#include "services/claims_mapper/policy_snapshot.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::claims_mapper {

absl::StatusOr<PolicySnapshot::Ptr> PolicySnapshot::FromPolicies(std::vector<PolicyPtr> policies) {
  TWI_ASSIGN_OR_RETURN(std::shared_ptr<const PolicyIndex> base, PolicyIndex::Build(std::move(policies)));
  TWI_ASSIGN_OR_RETURN(std::shared_ptr<const PolicyIndex> recent, PolicyIndex::Build({}));
  return Ptr(new PolicySnapshot(std::move(base), std::move(recent)));
}

absl::StatusOr<PolicySnapshot::Ptr> PolicySnapshot::With(PolicyPtr policy) const {
  const std::string name = policy->name;
  std::vector<PolicyPtr> recent;
  for (const PolicyPtr& old : recent_->policies()) {
    if (old->name != name) recent.push_back(old);
  }
  recent.push_back(std::move(policy));
  TWI_ASSIGN_OR_RETURN(std::shared_ptr<const PolicyIndex> next, PolicyIndex::Build(std::move(recent)));
  // The limits hold for both indices together, so that joining them never meets one.
  if (base_->unindexed() + next->unindexed() > kMaxUnindexed) {
    return Deny(
        v1::DENY_REASON_POLICY_MALFORMED,
        absl::StrCat(name, " would be one too many of the policies that require no literal: at most ", kMaxUnindexed));
  }
  std::set<std::string> fields;
  for (const std::string& field : base_->fields()) fields.insert(field);
  for (const std::string& field : next->fields()) fields.insert(field);
  if (fields.size() > kMaxIndexedFields) {
    return Deny(v1::DENY_REASON_POLICY_MALFORMED, absl::StrCat("with ", name, " policies would be found by more than ",
                                                               kMaxIndexedFields, " different fields"));
  }
  Ptr snapshot(new PolicySnapshot(base_, std::move(next)));
  if (snapshot->recent_->policies().size() < kMaxRecent) return snapshot;
  absl::StatusOr<Ptr> joined = FromPolicies(snapshot->policies());
  return joined.ok() ? joined : snapshot;  // as two indices it works as well, only slower
}

std::vector<const MappingPolicy*> PolicySnapshot::InForce(std::vector<const MappingPolicy*> from_base,
                                                          std::vector<const MappingPolicy*> from_recent) const {
  for (const MappingPolicy* policy : from_base) {
    if (recent_->FindByName(policy->name) == nullptr) from_recent.push_back(policy);
  }
  return from_recent;
}

std::vector<const MappingPolicy*> PolicySnapshot::Candidates(const cel::Activation& input) const {
  return InForce(base_->Candidates(input), recent_->Candidates(input));
}

std::vector<const MappingPolicy*> PolicySnapshot::Nearest(const cel::Activation& input, std::size_t limit) const {
  std::vector<const MappingPolicy*> nearest = InForce(base_->Nearest(input, limit), recent_->Nearest(input, limit));
  nearest.resize(std::min(nearest.size(), limit));
  return nearest;
}

const MappingPolicy* PolicySnapshot::FindByName(absl::string_view name) const {
  const MappingPolicy* recent = recent_->FindByName(name);
  return recent != nullptr ? recent : base_->FindByName(name);
}

std::vector<PolicyPtr> PolicySnapshot::policies() const {
  std::vector<PolicyPtr> all = recent_->policies();
  for (const PolicyPtr& policy : base_->policies()) {
    if (recent_->FindByName(policy->name) == nullptr) all.push_back(policy);
  }
  return all;
}

std::size_t PolicySnapshot::size() const {
  std::size_t size = base_->policies().size();
  for (const PolicyPtr& policy : recent_->policies()) size += base_->FindByName(policy->name) == nullptr ? 1 : 0;
  return size;
}

std::vector<std::string> PolicySnapshot::fields() const {
  std::set<std::string> fields;
  for (const std::string& field : base_->fields()) fields.insert(field);
  for (const std::string& field : recent_->fields()) fields.insert(field);
  return {fields.begin(), fields.end()};
}

}  // namespace twi::claims_mapper
