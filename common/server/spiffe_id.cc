#include "common/server/spiffe_id.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace twi::server {
namespace {

constexpr absl::string_view kScheme = "spiffe://";

bool IsTrustDomainChar(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '.' || c == '-' || c == '_';
}
bool IsPathChar(char c) { return IsTrustDomainChar(c) || absl::ascii_isupper(c); }

}  // namespace

std::string SpiffeIdProblem(absl::string_view id) {
  if (id.size() > 2048) return "longer than 2048 bytes";
  if (!absl::StartsWith(id, kScheme)) return "does not begin with spiffe://";
  const absl::string_view rest = id.substr(kScheme.size());
  const absl::string_view domain = rest.substr(0, rest.find('/'));
  if (domain.empty() || domain.size() > 255) return "the trust domain is empty or longer than 255 bytes";
  for (char c : domain) {
    if (!IsTrustDomainChar(c)) return "the trust domain has a character other than a-z 0-9 . - _";
  }
  if (domain.size() == rest.size()) return "there is no path";
  for (absl::string_view segment : absl::StrSplit(rest.substr(domain.size() + 1), '/')) {
    if (segment.empty() || segment == "." || segment == "..") return "a path segment is empty, . or ..";
    for (char c : segment) {
      if (!IsPathChar(c)) return "the path has a character other than A-Z a-z 0-9 . - _";
    }
  }
  return "";
}

}  // namespace twi::server
