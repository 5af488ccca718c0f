#include "common/http/problem.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/jose/json.h"
#include "nlohmann/json.hpp"

namespace twi::http {
namespace {

constexpr std::size_t kMaxProblem = 4096;

}  // namespace

int HttpStatusFor(DenyReason reason) {
  switch (reason) {
    case v1::DENY_REASON_METHOD_NOT_ALLOWED:
      return 405;
    case v1::DENY_REASON_MEDIA_TYPE_NOT_ACCEPTABLE:
      return 406;
    case v1::DENY_REASON_REQUEST_TOO_LARGE:
      return 413;
    case v1::DENY_REASON_MEDIA_TYPE_UNSUPPORTED:
      return 415;
    default:
      break;
  }
  switch (CodeFor(reason)) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

Response Refusal(const absl::Status& refusal, std::vector<std::pair<std::string, std::string>> headers,
                 int http_status) {
  const DenyReason reason = refusal.ok() ? v1::DENY_REASON_INTERNAL : DenyReasonOf(refusal);
  const std::string name = DenyReasonName(reason);
  Response response;
  response.status = http_status == 0 ? HttpStatusFor(reason) : http_status;
  response.content_type = kProblemMediaType;
  response.body =
      nlohmann::json{{"type", kProblemTypePrefix + name}, {"title", name}, {"status", response.status}}.dump();
  response.headers = std::move(headers);
  response.outcome = refusal.ok() ? Deny(v1::DENY_REASON_INTERNAL, "a refusal without a reason") : refusal;
  return response;
}

absl::Status FromProblem(int http_status, absl::string_view content_type, absl::string_view body,
                         absl::string_view what) {
  const std::string detail = absl::StrCat(what, ": HTTP ", http_status);
  const absl::Status unknown = Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, detail);
  if (!absl::StartsWith(content_type, kProblemMediaType)) return unknown;
  const absl::StatusOr<nlohmann::json> problem = jose::ParseJson(body, kMaxProblem, 4);
  std::string type;
  if (!problem.ok() || !problem->is_object() || !jose::GetOptionalString(*problem, "type", &type)) return unknown;
  absl::string_view name = type;
  if (!absl::StartsWith(name, kProblemTypePrefix)) return unknown;
  name.remove_prefix(sizeof(kProblemTypePrefix) - 1);
  DenyReason reason = v1::DENY_REASON_UNSPECIFIED;
  if (!v1::DenyReason_Parse(absl::StrCat("DENY_REASON_", name), &reason) || reason == v1::DENY_REASON_UNSPECIFIED ||
      reason == v1::DENY_REASON_INTERNAL) {
    return unknown;
  }
  return Deny(reason, detail);
}

}  // namespace twi::http
