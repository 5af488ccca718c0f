// Credential Keys at rest: the private half sealed under the root key, the terms of its release beside it, and both
// inseparable.
#ifndef TWI_SERVICES_KEY_STORE_SEALED_STORE_H_
#define TWI_SERVICES_KEY_STORE_SEALED_STORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/random.h"
#include "common/secret/secret_bytes.h"
#include "common/storage/database.h"
#include "common/storage/sealed.h"
#include "proto/twi/v1/key_store.pb.h"

namespace twi::key_store {

// SQL of the table; part of the Key Store's migrations. Triggers refuse every change of a row, also by REPLACE.
extern const char kCredentialKeysSchema[];

struct CredentialKey {
  std::string key_id;  // 32 hex digits
  v1::CredentialKeyType type = v1::CREDENTIAL_KEY_TYPE_UNSPECIFIED;
  std::string owner;           // SPIFFE ID of the Workload Owner
  std::string target;          // URI
  std::string release_policy;  // YAML, as given
  std::string spki;            // DER
  absl::Time created;          // whole milliseconds
  std::string sealed_pkcs8;    // as the Sealer gave it
};

// Thread-safe.
class SealedStore {
 public:
  // All must outlive the store.
  SealedStore(storage::Database& database, const storage::Sealer& sealer, crypto::Random& random)
      : database_(database), sealer_(sealer), random_(random) {}

  // Seals `pkcs8` and stores it under `key.key_id` (sealed_pkcs8 is filled here); durable when it returns OK.
  // STORAGE_FAILED, also for an id that is taken.
  absl::Status Add(CredentialKey key, const SecretBytes& pkcs8);

  // KEY_UNKNOWN.
  absl::StatusOr<CredentialKey> Find(const std::string& key_id) const;

  // The Credential Key, PKCS#8. The terms (id, type, owner, target, policy, public key) are part of what it was sealed
  // under, so whoever loosens a policy in the file makes the key unreadable: DECRYPTION_FAILED.
  absl::StatusOr<SecretBytes> Unseal(const CredentialKey& key) const;

  // An owner's keys with ids after `after`, by id, at most `limit`.
  absl::StatusOr<std::vector<CredentialKey>> List(const std::string& owner, const std::string& after,
                                                  std::int64_t limit) const;

 private:
  storage::Database& database_;
  const storage::Sealer& sealer_;
  crypto::Random& random_;
};

}  // namespace twi::key_store

#endif  // TWI_SERVICES_KEY_STORE_SEALED_STORE_H_
