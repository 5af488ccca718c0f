// The keys that sign what a service says (Attestation Results, grants, sealed keys, credentials): generated at first
// start, sealed at rest, rotated with overlap.
#ifndef TWI_COMMON_STORAGE_SIGNING_KEYS_H_
#define TWI_COMMON_STORAGE_SIGNING_KEYS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/jose/jwk.h"
#include "common/storage/database.h"
#include "common/storage/sealed.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::storage {

// The migration that makes the table (`signing_keys`); a daemon puts it in its Migrations. A key is found by purpose
// and kid; retired_unix_ms is NULL for the one key of a purpose that signs, else when it stopped to.
extern const char kSigningKeysSchema[];

// Thread-safe. One process uses the table (architecture section 8).
class SigningKeys {
 public:
  struct Active {
    std::string kid;  // RFC 7638 thumbprint
    crypto::PrivateKey key;
  };
  // `purpose`: "results", "grant", ... Makes a P-256 key when there is none at `now`, and rotates when it is due.
  // `database`, `sealer` and `random` must outlive the result. Checked: rotate_after (default 720h) and overlap
  // (default 24h) are positive, and overlap is at most 16 times rotate_after (CONFIG_INVALID); every stored key opens
  // under its own context "signing-key/<purpose>/<kid>" (DECRYPTION_FAILED), parses, and has the thumbprint that it is
  // stored under (KEY_MALFORMED). One bad key refuses the start: a key that others still trust must not get lost in
  // silence.
  static absl::StatusOr<std::unique_ptr<SigningKeys>> Load(Database& database, const Sealer& sealer,
                                                           crypto::Random& random, absl::string_view purpose,
                                                           const config::v1::SigningKeys& config, absl::Time now);
  virtual ~SigningKeys() = default;
  // The key to sign with, never null. Rotates first when it is due, and deletes what is past its overlap; when the
  // database refuses that, it is logged, the old key goes on, and it is tried again a minute later.
  virtual std::shared_ptr<const Active> Current(absl::Time now) = 0;
  // Public keys, `use` "sig": the current one first, then those that stopped signing less than `overlap` before `now`,
  // latest first.
  virtual jose::JwkSet Published(absl::Time now) = 0;
  // OK while the key that signs is in the store; KEY_UNKNOWN when it was taken out behind our back (a restart would
  // then sign with a key that nobody knows yet), STORAGE_FAILED.
  virtual absl::Status StillStored(absl::Time now) = 0;
  // Rotates now, whatever the age. OVERLOADED while 31 older keys are still published (a JWKS holds 32).
  virtual absl::Status Rotate(absl::Time now) = 0;
};

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_SIGNING_KEYS_H_
