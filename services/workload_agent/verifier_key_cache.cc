#include "services/workload_agent/verifier_key_cache.h"

#include "common/crypto/hpke.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {

absl::StatusOr<v1::GetVerifierKeysResponse> VerifierKeyCache::Get(client::VerifierClient& verifier, absl::Time now,
                                                                  absl::Time deadline) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (keys_.has_value() && fetched_ <= now && now - fetched_ < kMaxAge) return *keys_;
  TWI_ASSIGN_OR_RETURN(v1::GetVerifierKeysResponse keys, verifier.GetVerifierKeys(deadline));
  if (keys.encryption_key_id().empty())
    return Deny(v1::DENY_REASON_KEY_MALFORMED, "GetVerifierKeys: no encryption_key_id");
  TWI_RETURN_IF_ERROR(crypto::CheckHpkePublicKey(keys.encryption_key_spki()));
  keys_ = keys;
  fetched_ = now;
  return keys;
}

void VerifierKeyCache::Forget() {
  const std::lock_guard<std::mutex> lock(mutex_);
  keys_.reset();
}

}  // namespace twi::agent
