// SPIFFE IDs (SPIFFE-ID specification, section 2): the form of every Workload Identifier and of every service's name.
#ifndef TWI_COMMON_SPIFFE_SPIFFE_ID_H_
#define TWI_COMMON_SPIFFE_SPIFFE_ID_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi {

constexpr std::size_t kMaxSpiffeId = 2048;  // bytes, section 2.3

struct SpiffeId {
  std::string trust_domain;
  std::string path;  // "/payroll/worker", or empty: the trust domain itself
};

// Checks: at most 2048 bytes; the scheme in lower case; trust domain 1..255 of a-z 0-9 . - _ (no user, no port); path
// empty or segments of A-Z a-z 0-9 . - _ that are neither empty nor "." nor ".." (so no trailing slash); no query, no
// fragment, no percent sign. IDENTIFIER_NOT_ALLOWED with what is wrong.
absl::StatusOr<SpiffeId> ParseSpiffeId(absl::string_view text);

// The same, and a path: an identity that something may have, not a trust domain.
absl::Status ValidateWorkloadIdentifier(absl::string_view text);

// Below it services are named, and no workload ever is: "spiffe://TRUST_DOMAIN/twi/".
std::string ReservedPrefix(absl::string_view trust_domain);

}  // namespace twi

#endif  // TWI_COMMON_SPIFFE_SPIFFE_ID_H_
