#include "common/http/router.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/status/deny.h"

namespace twi::http {
namespace {

constexpr std::size_t kMaxTarget = 4096;
constexpr std::size_t kMaxParameter = 128;

bool IsParameter(absl::string_view segment) {
  return !segment.empty() && segment.size() <= kMaxParameter && std::all_of(segment.begin(), segment.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '~' || c == '-';
  });
}

std::optional<std::map<std::string, std::string>> MatchPath(absl::string_view pattern, absl::string_view path) {
  const std::vector<absl::string_view> expected = absl::StrSplit(pattern, '/');
  const std::vector<absl::string_view> seen = absl::StrSplit(path, '/');
  if (expected.size() != seen.size()) return std::nullopt;
  std::map<std::string, std::string> parameters;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const absl::string_view name = expected[i];
    if (name.size() > 2 && name.front() == '{' && name.back() == '}') {
      if (!IsParameter(seen[i])) return std::nullopt;
      parameters.emplace(std::string(name.substr(1, name.size() - 2)), std::string(seen[i]));
    } else if (name != seen[i]) {
      return std::nullopt;
    }
  }
  return parameters;
}

}  // namespace

absl::Status CheckTarget(absl::string_view target) {
  if (target.size() > kMaxTarget) return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, "the request target");
  const bool visible = std::all_of(target.begin(), target.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '#' && c != '\\';
  });
  if (target.empty() || target[0] != '/' || !visible)
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "the request target is no path of visible ASCII");
  return absl::OkStatus();
}

std::string AllowedMethods(const std::vector<Route>& routes, absl::string_view path) {
  std::vector<std::string> methods;
  for (const Route& route : routes) {
    if (MatchPath(route.path, path).has_value()) methods.push_back(route.method);
  }
  return absl::StrJoin(methods, ", ");
}

absl::StatusOr<Match> FindRoute(const std::vector<Route>& routes, absl::string_view method, absl::string_view path) {
  bool path_known = false;
  for (const Route& route : routes) {
    auto parameters = MatchPath(route.path, path);
    if (!parameters.has_value()) continue;
    path_known = true;
    if (route.method == method) return Match{&route, *std::move(parameters)};
  }
  if (path_known) return Deny(v1::DENY_REASON_METHOD_NOT_ALLOWED, absl::StrCat(method, " of ", path));
  return Deny(v1::DENY_REASON_RESOURCE_UNKNOWN, absl::StrCat(method, " of ", path));
}

}  // namespace twi::http
