// Challenges: authenticated, bound to the caller's TLS key, bounded in life, single use.
//   nonce (56 bytes) = random(16) || expiry, Unix ms, big endian(8) || issuer tag(16) || channel tag(16)
//   issuer tag  = HMAC-SHA256(key, "issued"  || random || expiry), first 16 bytes: this service made it
//   channel tag = HMAC-SHA256(key, "channel" || random || expiry || channel key SHA-256), first 16 bytes: for this TLS
//   key
// Two tags, so that a challenge for another channel can be told from a foreign one.
// The issuer keeps nothing until a challenge is used; used ones are remembered until they expire. The key lives in
// memory: a restart forgets all challenges.
#ifndef TWI_COMMON_CHALLENGE_CHALLENGE_H_
#define TWI_COMMON_CHALLENGE_CHALLENGE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/random.h"

namespace twi {

class Challenges {
 public:
  struct Options {
    absl::Duration lifetime = absl::Minutes(2);  // 1 s .. 10 min
    std::size_t max_used = 1'000'000;  // remembered; beyond it Redeem refuses with OVERLOADED (never forgets early)
  };
  Challenges(const Options& options, crypto::Random& random);
  ~Challenges();

  // `channel_key_sha256`: of the caller's TLS key, 32 bytes.
  std::string Issue(absl::string_view channel_key_sha256, absl::Time now);
  // Uses the challenge up. CHALLENGE_MISSING (empty), CHALLENGE_UNKNOWN (not ours, wrong size, changed),
  // CHALLENGE_WRONG_CHANNEL (ours, to another key), CHALLENGE_EXPIRED, CHALLENGE_REPLAYED, OVERLOADED.
  absl::Status Redeem(absl::string_view nonce, absl::string_view channel_key_sha256, absl::Time now);
  absl::Duration lifetime() const { return options_.lifetime; }
  // Of the memory of used challenges: how many there are now and at most, and how many were forgotten since the start.
  struct Stats {
    std::size_t remembered = 0, capacity = 0, evicted = 0;
  };
  Stats stats() const;

 private:
  struct State;
  const Options options_;
  crypto::Random& random_;
  std::unique_ptr<State> state_;
};

}  // namespace twi

#endif  // TWI_COMMON_CHALLENGE_CHALLENGE_H_
