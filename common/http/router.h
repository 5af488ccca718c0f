// Which route a request is for: method and path against patterns.
#ifndef TWI_COMMON_HTTP_ROUTER_H_
#define TWI_COMMON_HTTP_ROUTER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/http/message.h"

namespace twi::http {

// A request target in origin form (RFC 9112 section 3.2.1): a path and perhaps a query, visible ASCII without '#' and
// '\', at most 4 KiB. REQUEST_MALFORMED, REQUEST_TOO_LARGE.
absl::Status CheckTarget(absl::string_view target);

struct Match {
  const Route* route = nullptr;
  std::map<std::string, std::string> parameters;
};

// What a path is served with besides: for the Allow header of a 405.
std::string AllowedMethods(const std::vector<Route>& routes, absl::string_view path);

// The route of `method` and `path`; points into `routes`. A path is compared byte by byte, segment by segment: escapes
// are not decoded and "." is a segment like any other, so there is one spelling of each path. A parameter is 1..128 of
// [A-Za-z0-9._~-]. RESOURCE_UNKNOWN, METHOD_NOT_ALLOWED.
absl::StatusOr<Match> FindRoute(const std::vector<Route>& routes, absl::string_view method, absl::string_view path);

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_ROUTER_H_
