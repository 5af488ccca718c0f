// AES-256-GCM with a random 96-bit nonce in front: nonce(12) || ciphertext || tag(16). For sealing at rest
// (common/storage/sealed).
#ifndef TWI_COMMON_CRYPTO_AEAD_H_
#define TWI_COMMON_CRYPTO_AEAD_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/random.h"
#include "common/secret/secret_bytes.h"

namespace twi::crypto {

// `key`: 32 bytes.
absl::StatusOr<std::string> AeadSeal(const SecretBytes& key, absl::string_view aad, absl::string_view plaintext,
                                     Random& random);
// DENY_REASON_DECRYPTION_FAILED when key, aad or bytes differ, or the input is shorter than 28 bytes.
absl::StatusOr<SecretBytes> AeadOpen(const SecretBytes& key, absl::string_view aad, absl::string_view sealed);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_AEAD_H_
