#include "common/spiffe/spiffe_id.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi {
namespace {

constexpr std::size_t kMaxTrustDomain = 255;

bool IsPathCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
}
bool IsDomainCharacter(char c) { return IsPathCharacter(c) && !absl::ascii_isupper(static_cast<unsigned char>(c)); }

absl::Status Bad(absl::string_view what) {
  return Deny(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED, absl::StrCat("no SPIFFE ID: ", what));
}

}  // namespace

absl::StatusOr<SpiffeId> ParseSpiffeId(absl::string_view text) {
  if (text.size() > kMaxSpiffeId) return Bad(absl::StrCat(text.size(), " bytes, at most ", kMaxSpiffeId));
  if (!absl::ConsumePrefix(&text, "spiffe://")) return Bad("it does not begin with spiffe://");
  const std::size_t slash = std::min(text.find('/'), text.size());
  const absl::string_view domain = text.substr(0, slash);
  const absl::string_view path = text.substr(slash);
  if (domain.empty() || domain.size() > kMaxTrustDomain) return Bad("the trust domain is empty or too long");
  if (!std::all_of(domain.begin(), domain.end(), IsDomainCharacter))
    return Bad("the trust domain has other characters than a-z 0-9 . - _");
  if (!path.empty()) {
    for (absl::string_view segment : absl::StrSplit(path.substr(1), '/')) {
      if (segment.empty() || segment == "." || segment == "..") return Bad("a path segment is empty, \".\" or \"..\"");
      if (!std::all_of(segment.begin(), segment.end(), IsPathCharacter))
        return Bad("the path has other characters than A-Z a-z 0-9 . - _ /");
    }
  }
  return SpiffeId{std::string(domain), std::string(path)};
}

absl::Status ValidateWorkloadIdentifier(absl::string_view text) {
  TWI_ASSIGN_OR_RETURN(const SpiffeId id, ParseSpiffeId(text));
  if (id.path.empty()) return Bad("it has no path");
  return absl::OkStatus();
}

std::string ReservedPrefix(absl::string_view trust_domain) { return absl::StrCat("spiffe://", trust_domain, "/twi/"); }

}  // namespace twi
