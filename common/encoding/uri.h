// The form of URIs that name parties: rp_id, target.
#ifndef TWI_COMMON_ENCODING_URI_H_
#define TWI_COMMON_ENCODING_URI_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace twi {

constexpr std::size_t kMaxUri = 2048;  // bytes

// An absolute URI in form only (RFC 3986 section 3): a scheme, a colon, something behind it; visible ASCII. The length
// is the caller's to compare with kMaxUri.
bool IsAbsoluteUri(absl::string_view value);

}  // namespace twi

#endif  // TWI_COMMON_ENCODING_URI_H_
