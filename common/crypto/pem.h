// PEM (RFC 7468), strict within a block; text around blocks is skipped. Inside common/crypto only.
#ifndef TWI_COMMON_CRYPTO_PEM_H_
#define TWI_COMMON_CRYPTO_PEM_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/secret/secret_bytes.h"

namespace twi::crypto {

// Finds the next "-----BEGIN label-----" block at or after `*pos`, gives its base64 body and moves `*pos` behind it.
// nullopt: no further block
// (*malformed = false), or one without its END line (*malformed = true).
std::optional<absl::string_view> NextPemBody(absl::string_view text, absl::string_view label, std::size_t* pos,
                                             bool* malformed);

// The bytes of a body: line ends, spaces and tabs are skipped, the rest must be padded base64. Wiped memory, since the
// body may be a private key.
std::optional<SecretBytes> DecodePemBody(absl::string_view body);

// Lines of 64 characters (RFC 7468 2).
SecretBytes EncodePem(absl::string_view label, absl::string_view der);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_PEM_H_
