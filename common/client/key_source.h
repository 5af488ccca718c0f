// The public keys of a service that signs objects for us (Attestation Results, grants, sealed keys): fetched from that
// service, cached, refetched when an object names a key that the cache does not hold. Caches keys, never a verdict.
#ifndef TWI_COMMON_CLIENT_KEY_SOURCE_H_
#define TWI_COMMON_CLIENT_KEY_SOURCE_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/jose/jwk.h"
#include "common/time/clock.h"

namespace twi::client {

class KeySource {
 public:
  // Fetches the set over an authenticated channel; must return by `deadline`. Called by one thread at a time, without a
  // lock held.
  using Fetch = std::function<absl::StatusOr<jose::JwkSet>(absl::Time deadline)>;
  using Keyset = std::shared_ptr<const jose::JwkSet>;

  // However often unknown kids come (anybody may invent one), the service is asked for them at most this often; so it
  // is after a failed fetch.
  static constexpr absl::Duration kMinInterval = absl::Seconds(5);

  // `refresh` must be positive: the age at which a set is fetched again. A set older than twice `refresh` is never
  // used, so that a key that the service withdrew dies here even when the service cannot be reached; between the two a
  // failed fetch leaves the old set in use. `clock` must outlive this.
  KeySource(Fetch fetch, absl::Duration refresh, const Clock& clock);

  // The keys in force. With `kid_wanted` not empty and not in the cached set, asks the service once (see kMinInterval);
  // the set that is returned may still lack the kid, and whoever verifies with it refuses then. Errors: those of
  // `fetch` (DEPENDENCY_UNAVAILABLE ...), DEADLINE_EXCEEDED when another thread's fetch did not end in time.
  // Thread-safe: one thread fetches, the others go on with the cached set when it serves them, or wait for the fetch.
  absl::StatusOr<Keyset> Keys(absl::string_view kid_wanted, absl::Time deadline);

 private:
  absl::StatusOr<Keyset> FetchNow(std::unique_lock<std::mutex>& lock, absl::string_view kid_wanted,
                                  absl::Time deadline);

  const Fetch fetch_;
  const absl::Duration refresh_;
  const Clock& clock_;

  std::mutex mutex_;  // guards all below; never held while fetching
  std::condition_variable fetched_;
  bool fetching_ = false;
  Keyset keys_;                                  // null before the first fetch
  absl::Time keys_from_ = absl::InfinitePast();  // when the fetch of keys_ began
  absl::Time last_attempt_ = absl::InfinitePast();
  absl::Status last_error_;  // of the last attempt
};

// The kid that the header of a JWS in compact form names, for KeySource::Keys. NOT verified: good to look a key up, for
// nothing else. Empty when there is none or the header does not parse (the verification says what is wrong with it).
std::string UnverifiedKid(absl::string_view jws);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_KEY_SOURCE_H_
