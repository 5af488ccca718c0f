// The place of a CMW record (common/cmw) in X.509: draft-ietf-rats-msg-wrap section 6.1, id-pe-cmw.
#ifndef TWI_COMMON_ATTESTED_TLS_CMW_H_
#define TWI_COMMON_ATTESTED_TLS_CMW_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/cmw/cmw.h"

namespace twi::atls {

// The extension's value: OCTET STRING (choice `cbor`) of [media_type, value, 4].
std::string WriteCmwExtension(const CmwRecord& record);

// Strict: one DER OCTET STRING, the choice `cbor`, with nothing behind it, and in it what ReadCmwCbor takes. The choice
// `json` is refused: ATTESTED_TLS_KAT_MALFORMED.
absl::StatusOr<CmwRecord> ReadCmwExtension(absl::string_view extension_value);

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_CMW_H_
