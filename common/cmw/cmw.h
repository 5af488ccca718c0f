// Conceptual Message Wrapper records (draft-ietf-rats-msg-wrap section 3.1), as peers send them: one typed message,
// no collections, no tags.
#ifndef TWI_COMMON_CMW_CMW_H_
#define TWI_COMMON_CMW_CMW_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi {

constexpr int kCmwEvidenceIndicator = 4;  // bit 2: Evidence, and nothing else

struct CmwRecord {
  std::string media_type;  // 1..255 printable ASCII characters
  std::string value;       // 1 byte or more
};

// Both: an array of type, value and, optionally, the indicator, which must be Evidence alone; a type that is a
// content-format number is refused. EVIDENCE_MALFORMED.
// CBOR (RFC 8949): definite lengths in their shortest form, nothing behind the array.
absl::StatusOr<CmwRecord> ReadCmwCbor(absl::string_view bytes);
// [type, value, indicator for Evidence].
std::string WriteCmwCbor(const CmwRecord& record);
// JSON: the value in base64url without padding. At most `max_size` bytes. Also the form that ratsd and old Veraison
// code write, which no draft has: an object of exactly "typ" and "val".
absl::StatusOr<CmwRecord> ReadCmwJson(absl::string_view text, std::size_t max_size);

}  // namespace twi

#endif  // TWI_COMMON_CMW_CMW_H_
