// The keys that sign what a service says (Attestation Results, grants, sealed keys, credentials): generated at first start or supplied, sealed at rest, rotated with overlap.
#ifndef TWI_COMMON_STORAGE_SIGNING_KEYS_H_
#define TWI_COMMON_STORAGE_SIGNING_KEYS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/jose/jwk.h"
#include "common/storage/database.h"
#include "common/storage/sealed.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::storage {

// The migration that makes the table (`signing_keys`); a daemon puts it in its Migrations.
extern const char kSigningKeysSchema[];

class SigningKeys {
 public:
  struct Active {
    std::string kid;  // RFC 7638 thumbprint
    crypto::PrivateKey key;
  };
  // `purpose`: "results", "grant", ... Makes a P-256 key when there is none at `now`.
  static absl::StatusOr<std::unique_ptr<SigningKeys>> Load(Database& database, const Sealer& sealer, crypto::Random& random, absl::string_view purpose,
                                                           const config::v1::SigningKeys& config, absl::Time now);
  virtual ~SigningKeys() = default;
  // The key to sign with; rotates first when it is due (a failed rotation is logged and the old key stays).
  virtual std::shared_ptr<const Active> Current(absl::Time now) = 0;
  // Current and overlapping public keys, `use` "sig".
  virtual jose::JwkSet Published(absl::Time now) = 0;
  // Rotates now, whatever the age.
  virtual absl::Status Rotate(absl::Time now) = 0;
};

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_SIGNING_KEYS_H_
