// The Verifier's public keys between acquisitions, so that mechanism C stays one round trip for the workload. Caches
// keys, never a verdict.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_VERIFIER_KEY_CACHE_H_
#define TWI_SERVICES_WORKLOAD_AGENT_VERIFIER_KEY_CACHE_H_

#include <mutex>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/verifier_client.h"
#include "proto/twi/v1/verifier.pb.h"

namespace twi::agent {

// Thread-safe.
class VerifierKeyCache {
 public:
  static constexpr absl::Duration kMaxAge = absl::Minutes(5);

  // The cached keys when they are younger than kMaxAge, else those that `verifier` gives now. KEY_MALFORMED when there
  // is no usable encryption key among them.
  absl::StatusOr<v1::GetVerifierKeysResponse> Get(client::VerifierClient& verifier, absl::Time now,
                                                  absl::Time deadline);
  void Forget();

 private:
  std::mutex mutex_;
  std::optional<v1::GetVerifierKeysResponse> keys_;
  absl::Time fetched_ = absl::InfinitePast();
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_VERIFIER_KEY_CACHE_H_
