// A CMW record in CBOR (draft-ietf-rats-msg-wrap section 3.1) and its place in X.509 (section 6.1, id-pe-cmw): exactly
// what a KAT needs of it.
#ifndef TWI_COMMON_ATTESTED_TLS_CMW_H_
#define TWI_COMMON_ATTESTED_TLS_CMW_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi::atls {

struct CmwRecord {
  std::string media_type;  // 1..255 bytes
  std::string value;       // 1 byte or more
};

// The extension's value: OCTET STRING (choice `cbor`) of [media_type, value, 4].
std::string WriteCmwExtension(const CmwRecord& record);

// Strict: DER, the choice `cbor`, an array of two or three, definite shortest lengths, a text media type, the indicator
// (when there) with nothing but the bit for Evidence, no trailing bytes. Collections, tags and the choice `json` are
// refused: ATTESTED_TLS_KAT_MALFORMED.
absl::StatusOr<CmwRecord> ReadCmwExtension(absl::string_view extension_value);

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_CMW_H_
