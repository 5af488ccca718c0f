// HKDF with SHA-256 (RFC 5869) for one key of 32 bytes, which is one block of Expand.
#ifndef TWI_COMMON_STORAGE_HKDF_H_
#define TWI_COMMON_STORAGE_HKDF_H_

#include "absl/strings/string_view.h"
#include "common/secret/secret_bytes.h"

namespace twi::storage {

// `salt`: not empty (an empty one would be 32 zero bytes, RFC 5869 section 2.2; give those). `info` keeps the keys of
// different uses apart.
SecretBytes HkdfSha256(const SecretBytes& input_key, absl::string_view salt, absl::string_view info);

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_HKDF_H_
