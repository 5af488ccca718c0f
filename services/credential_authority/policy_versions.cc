#include "services/credential_authority/policy_versions.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::credential_authority {

absl::Status PolicyVersions::CheckInForce(const std::string& name, std::uint64_t version, absl::string_view sha256,
                                          absl::Time deadline) {
  const absl::Time now = clock_.Now();
  Known known;
  bool fresh = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = known_.find(name);
    if (found != known_.end() && now - found->second.asked < kMaxAge && now >= found->second.asked) {
      known = found->second;
      fresh = true;
    }
  }
  if (!fresh) {
    TWI_ASSIGN_OR_RETURN(const v1::GetPolicyVersionsResponse answer, mapper_.GetPolicyVersions({name}, deadline));
    known.asked = now;
    for (const v1::PolicyInfo& policy : answer.policies()) {
      if (policy.name() != name) continue;
      known.in_force = true;
      known.version = policy.version();
      known.sha256 = policy.sha256();
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    if (known_.size() >= kMaxNames) known_.clear();
    known_[name] = known;
  }
  if (known.in_force && known.version == version && known.sha256 == ToHex(sha256)) return absl::OkStatus();
  return Deny(v1::DENY_REASON_GRANT_POLICY_REPLACED,
              absl::StrCat("the grant is of policy ", name, "@", version, ", in force is ",
                           known.in_force ? absl::StrCat("@", known.version) : std::string("none")));
}

}  // namespace twi::credential_authority
