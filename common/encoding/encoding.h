// Text forms of bytes, strict: what does not decode to exactly one value is refused.
#ifndef TWI_COMMON_ENCODING_ENCODING_H_
#define TWI_COMMON_ENCODING_ENCODING_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi {

std::string ToHex(absl::string_view bytes);                  // lower case
absl::StatusOr<std::string> FromHex(absl::string_view hex);  // even length, both cases
std::string ToBase64Url(absl::string_view bytes);            // RFC 4648 5, no padding
absl::StatusOr<std::string> FromBase64Url(
    absl::string_view text);                    // no padding, no white space, canonical (unused bits zero)
std::string ToBase64(absl::string_view bytes);  // RFC 4648 4, padded
absl::StatusOr<std::string> FromBase64(absl::string_view text);  // padded, canonical

}  // namespace twi

#endif  // TWI_COMMON_ENCODING_ENCODING_H_
