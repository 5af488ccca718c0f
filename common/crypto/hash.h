// SHA-2 and HMAC over bytes. Digests are raw bytes: 32, 48 or 64.
#ifndef TWI_COMMON_CRYPTO_HASH_H_
#define TWI_COMMON_CRYPTO_HASH_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "common/secret/secret_bytes.h"

namespace twi::crypto {

enum class HashAlgorithm {
  kSha1,
  kSha256,
  kSha384,
  kSha512
};  // kSha1 only to replay a TPM's SHA-1 bank; never for a signature.

std::string Sha256(absl::string_view data);
std::string Sha384(absl::string_view data);
std::string Sha512(absl::string_view data);
std::string Hash(HashAlgorithm algorithm, absl::string_view data);
std::size_t HashSize(HashAlgorithm algorithm);
// 32 bytes.
std::string HmacSha256(const SecretBytes& key, absl::string_view data);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_HASH_H_
