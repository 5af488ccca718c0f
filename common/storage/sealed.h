// Envelope encryption of secrets at rest: AES-256-GCM under a root key that is never beside them (architecture section
// 8).
#ifndef TWI_COMMON_STORAGE_SEALED_H_
#define TWI_COMMON_STORAGE_SEALED_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/random.h"
#include "common/secret/secret_bytes.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::storage {

class Sealer {
 public:
  // Reads config.root_key_file: 32 bytes raw, or 64 hex digits that one newline may follow. CONFIG_INVALID for anything
  // else, for 32 zero bytes, for a file that group or others may use (unless it is a mounted Secret,
  // common/config/mounted_secret.h) or that is not this user's or root's, for a symbolic link (its folders may be
  // reached by some), and for one that lies, symbolic links resolved, in or below the folder of config.database_file:
  // who copies the database must not get the key with it.
  static absl::StatusOr<std::unique_ptr<Sealer>> FromConfig(const config::v1::Storage& config);
  static absl::StatusOr<std::unique_ptr<Sealer>> FromKey(SecretBytes root_key32);

  // Gives salt(32) || nonce(12) || ciphertext || tag(16). `context` names what is sealed
  // ("key-store/credential-key/<id>") and is not empty; opening under another context fails. Each record has its own
  // data key = HKDF-SHA256(root key, salt, info = context), and `context` is the AEAD's additional data.
  absl::StatusOr<std::string> Seal(absl::string_view context, const SecretBytes& plaintext,
                                   crypto::Random& random) const;
  // DECRYPTION_FAILED: changed, cut, sealed under another context or another root key.
  absl::StatusOr<SecretBytes> Open(absl::string_view context, absl::string_view sealed) const;

 private:
  explicit Sealer(SecretBytes root_key) : root_key_(std::move(root_key)) {}
  SecretBytes root_key_;
};

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_SEALED_H_
