// OBJECT IDENTIFIERs with arcs of up to 128 bits, as the arcs under 2.25 are (ITU-T X.667: a UUID as an arc).
// BoringSSL's stop at 64 bits. Inside common/crypto only.
#ifndef TWI_COMMON_CRYPTO_OID_H_
#define TWI_COMMON_CRYPTO_OID_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace twi::crypto {

// Content octets of a dotted OID; nullopt when it is not one (two arcs at least, decimal without leading zeros, first
// arc 0..2, at most 64 arcs).
std::optional<std::string> EncodeOid(absl::string_view dotted);

// Dotted text of content octets (X.690 8.19); empty when they are not valid: minimal base-128, no arc over 128 bits.
std::string DecodeOid(absl::string_view content);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_OID_H_
