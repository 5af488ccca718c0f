// The query of a URL: strict, bounded.
#ifndef TWI_COMMON_HTTP_QUERY_H_
#define TWI_COMMON_HTTP_QUERY_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi::http {

constexpr std::size_t kMaxQueryParameters = 16;

// "a=1&b=x%2Fy" (without the '?') decoded: RFC 3986 section 3.4 characters only, percent escapes complete and never a
// control character; '+' stays '+' (base64 of the standard alphabet comes that way). Each name once, at most
// kMaxQueryParameters, no empty name; a name without '=' has the empty value. Empty text: no parameters.
// REQUEST_MALFORMED.
absl::StatusOr<std::map<std::string, std::string>> ParseQuery(absl::string_view text);

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_QUERY_H_
