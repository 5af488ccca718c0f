#ifndef TWI_COMMON_CEL_STRING_LITERAL_H_
#define TWI_COMMON_CEL_STRING_LITERAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi::cel {

// Replaces the escapes of a string or bytes literal's body (langdef "String and Bytes Values"). In a string, \x41 and
// \101 are code points; in bytes they are octets, and \u, \U are refused. Unknown escapes and surrogates are refused.
absl::StatusOr<std::string> Unescape(absl::string_view body, bool is_bytes);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_STRING_LITERAL_H_
