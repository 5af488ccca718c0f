// The head of a request, as Boost.Beast has parsed it: what of HTTP/1.1 is served.
#ifndef TWI_COMMON_HTTP_HTTP_HEAD_H_
#define TWI_COMMON_HTTP_HTTP_HEAD_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "boost/beast/http/message.hpp"

namespace twi::http {

constexpr std::uint32_t kMaxHead = 16 << 10;  // bytes, the request line included

struct Head {
  absl::string_view method, target;            // as sent; point into the parsed header
  std::map<std::string, std::string> headers;  // names in lower case; repeated ones joined by ", "
};

// Refused is what not every implementation understands alike (RFC 9112 section 11.2): a version other than 1.1, no
// Host, a field twice that must stand once, a transfer coding other than chunked, an encoded body
// (MEDIA_TYPE_UNSUPPORTED), an unknown expectation. REQUEST_MALFORMED. `target` is not looked at (router.h).
absl::StatusOr<Head> ReadHead(const boost::beast::http::request_header<>& header);

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_HTTP_HEAD_H_
