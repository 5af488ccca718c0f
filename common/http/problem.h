// Refusals over HTTP (RFC 9457): the reason's name and nothing else, as gRPC peers get it (common/server/refuse.h).
#ifndef TWI_COMMON_HTTP_PROBLEM_H_
#define TWI_COMMON_HTTP_PROBLEM_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/http/message.h"
#include "common/status/deny.h"

namespace twi::http {

constexpr char kProblemMediaType[] = "application/problem+json";
constexpr char kProblemTypePrefix[] = "urn:twi:deny-reason:";

// The HTTP status of a reason; 500 for INTERNAL and whatever has no better one.
int HttpStatusFor(DenyReason reason);

// {"type":"urn:twi:deny-reason:NAME","title":"NAME","status":N}. `refusal` is not OK; its detail stays out of it.
// `http_status` 0: HttpStatusFor.
Response Refusal(const absl::Status& refusal, std::vector<std::pair<std::string, std::string>> headers = {},
                 int http_status = 0);

// The other way round, for clients: the reason that a problem document of ours names; DEPENDENCY_UNAVAILABLE with
// `what` and the HTTP status when it names none (INTERNAL stays the peer's: DEPENDENCY_UNAVAILABLE too). At most 4 KiB
// are looked at.
absl::Status FromProblem(int http_status, absl::string_view content_type, absl::string_view body,
                         absl::string_view what);

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_PROBLEM_H_
