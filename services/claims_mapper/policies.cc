#include "services/claims_mapper/policies.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/config/read_file.h"
#include "common/encoding/encoding.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/policy_signature/policy_signature.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::claims_mapper {

absl::StatusOr<CheckedPolicy> CheckPolicy(absl::string_view jws, absl::string_view source, const Owners& owners,
                                          absl::Time now) {
  const OwnerKey owner_key = [&owners](absl::string_view id) -> std::optional<crypto::PublicKey> {
    const Owner* owner = owners.Find(id);
    if (owner == nullptr) return std::nullopt;
    return owner->key;
  };
  TWI_ASSIGN_OR_RETURN(const SignedPolicy statement, VerifyPolicySignature(jws, owner_key, now));
  TWI_ASSIGN_OR_RETURN(const PolicyPtr policy, ParseMappingPolicy(statement.document, source));
  if (policy->name != statement.name || policy->version != statement.version || policy->owner != statement.owner) {
    return Deny(v1::DENY_REASON_POLICY_MALFORMED,
                absl::StrCat(source, ": the document is ", policy->Label(), " of ", policy->owner,
                             ", the signature says ", statement.name, "@", statement.version, " of ", statement.owner));
  }
  const Owner* owner = owners.Find(policy->owner);
  if (owner == nullptr) return Deny(v1::DENY_REASON_POLICY_OWNER_UNKNOWN, policy->owner);
  TWI_RETURN_IF_ERROR(owners.CheckEntitlement(*owner, policy->workload_identifier, policy->dns_names));
  return CheckedPolicy{policy,
                       {policy->name, policy->version, policy->rollback_from, policy->owner, policy->sha256,
                        statement.signed_at, std::string(jws)}};
}

absl::StatusOr<std::string> ReadSignedPolicyFile(const std::string& path) {
  TWI_ASSIGN_OR_RETURN(const std::string text, config::ReadFile(path, {kMaxSignedPolicy + 64}));
  return std::string(absl::StripAsciiWhitespace(text));
}

absl::StatusOr<std::unique_ptr<Policies>> Policies::Open(PolicyStore& store, std::shared_ptr<const Owners> owners) {
  std::unique_ptr<Policies> policies(new Policies(store));
  TWI_RETURN_IF_ERROR(policies->SetOwners(std::move(owners)));
  return policies;
}

absl::StatusOr<PolicySnapshot::Ptr> Policies::LoadAll(const Owners& owners) {
  TWI_ASSIGN_OR_RETURN(const std::vector<std::string> stored, store_.LoadInForce());
  std::vector<PolicyPtr> policies;
  for (const std::string& jws : stored) {
    // It was right when it was loaded, so its time is not looked at again: a clock that went back takes no policy out
    // of force.
    absl::StatusOr<CheckedPolicy> checked = CheckPolicy(jws, "stored policy", owners, absl::InfiniteFuture());
    if (!checked.ok()) {
      log::Error("a stored policy is not in force any more",
                 {{log::fields::kReason, DenyReasonName(DenyReasonOf(checked.status()))},
                  {log::fields::kDetail, std::string(checked.status().message())}});
      continue;
    }
    policies.push_back(checked->policy);
  }
  log::Info("policies_in_store", {{log::fields::kCount, absl::StrCat(policies.size())}});
  return PolicySnapshot::FromPolicies(std::move(policies));
}

absl::Status Policies::SetOwners(std::shared_ptr<const Owners> owners) {
  const std::lock_guard<std::mutex> one_change(writer_);
  TWI_ASSIGN_OR_RETURN(PolicySnapshot::Ptr snapshot, LoadAll(*owners));
  Publish(std::move(snapshot), std::move(owners));
  return absl::OkStatus();
}

absl::StatusOr<PolicyPtr> Policies::Put(absl::string_view jws, absl::string_view caller, absl::Time now) {
  const std::lock_guard<std::mutex> one_change(writer_);
  TWI_ASSIGN_OR_RETURN(CheckedPolicy checked, CheckPolicy(jws, "policy", *owners(), now));
  if (checked.policy->owner != caller) {
    return Deny(v1::DENY_REASON_PEER_NOT_ALLOWED,
                absl::StrCat("the policy is of ", checked.policy->owner, ", the caller is ", caller));
  }
  return PutChecked(std::move(checked), now);
}

absl::Status Policies::PutFile(const std::string& path, absl::Time now) {
  const std::lock_guard<std::mutex> one_change(writer_);
  TWI_ASSIGN_OR_RETURN(const std::string jws, ReadSignedPolicyFile(path));
  absl::StatusOr<CheckedPolicy> checked = CheckPolicy(jws, path, *owners(), now);
  if (!checked.ok()) return WithContext(checked.status(), path);
  TWI_ASSIGN_OR_RETURN(const bool known, store_.Known(jws));
  if (known) return absl::OkStatus();
  const absl::StatusOr<PolicyPtr> put = PutChecked(*std::move(checked), now);
  return put.ok() ? absl::OkStatus() : WithContext(put.status(), path);
}

absl::StatusOr<PolicyPtr> Policies::PutChecked(CheckedPolicy checked, absl::Time now) {
  // The new snapshot first (it may be refused), then the disk, then into force: a restart between the last two finds it
  // in the store.
  TWI_ASSIGN_OR_RETURN(PolicySnapshot::Ptr next, snapshot()->With(checked.policy));
  TWI_RETURN_IF_ERROR(store_.Put(checked.stored, now));
  Publish(std::move(next), owners());
  log::Audit("policy in force", {{log::fields::kPolicy, checked.policy->Label()},
                                 {log::fields::kOwner, checked.policy->owner},
                                 {log::fields::kPolicyDigest, ToHex(checked.policy->sha256)},
                                 {log::fields::kWorkloadIdentifier, checked.policy->workload_identifier}});
  return checked.policy;
}

PolicySnapshot::Ptr Policies::snapshot() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return snapshot_;
}

std::shared_ptr<const Owners> Policies::owners() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return owners_;
}

void Policies::Publish(PolicySnapshot::Ptr snapshot, std::shared_ptr<const Owners> owners) {
  const std::lock_guard<std::mutex> lock(mutex_);
  snapshot_ = std::move(snapshot);
  owners_ = std::move(owners);
}

}  // namespace twi::claims_mapper
