// What a handler of an HTTPS route is given and gives back: values, no library types.
#ifndef TWI_COMMON_HTTP_MESSAGE_H_
#define TWI_COMMON_HTTP_MESSAGE_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/server/peer_identity.h"

namespace twi::http {

struct Request {
  std::string method;                                  // "POST"
  std::string path;                                    // as sent, without the query
  std::map<std::string, std::string> path_parameters;  // of the route's {name} segments
  std::map<std::string, std::string> query;            // decoded (query.h)
  std::map<std::string, std::string> headers;          // names in lower case; repeated ones joined by ", "
  std::string body;
  std::optional<server::PeerIdentity>
      peer;             // already on the route's allow-list; none: anonymous, where that is allowed
  absl::Time deadline;  // of the server's clock: the answer should be there by then, and no handler is begun after it

  // Empty when there is none. `name` in lower case.
  absl::string_view Header(absl::string_view name) const {
    const auto found = headers.find(std::string(name));
    return found == headers.end() ? absl::string_view() : absl::string_view(found->second);
  }
};

struct Response {
  int status = 200;
  std::string content_type;  // empty: no body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // besides; names and values as they go out
  absl::Status outcome;  // for log and metrics: a refusal that needs headers of its own (Refusal in problem.h)
};

// Runs on a worker thread, in the request's trace (common/trace), and may block. A failed Status becomes a problem
// document (problem.h).
using Handler = std::function<absl::StatusOr<Response>(const Request&)>;

struct Route {
  std::string name;          // as `allow` and the metrics call it: "NewSession"
  std::string method;        // "POST"
  std::string path;          // "/session/{id}": a {name} stands for one whole segment
  std::size_t max_body = 0;  // bytes; more is REQUEST_TOO_LARGE, and never in memory
  Handler handler;
};

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_MESSAGE_H_
