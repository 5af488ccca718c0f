// SPIFFE IDs (SPIFFE-ID section 2): the form of every identity in TWI.
#ifndef TWI_COMMON_SERVER_SPIFFE_ID_H_
#define TWI_COMMON_SERVER_SPIFFE_ID_H_

#include <string>

#include "absl/strings/string_view.h"

namespace twi::server {

// Empty when `id` is a SPIFFE ID of a workload or service, else what is wrong with it. Checks: at most 2048 bytes;
// "spiffe://" in lower case; a trust domain of 1..255 of [a-z0-9.-_]; a path of one or more segments of [A-Za-z0-9.-_],
// none empty, "." or ".."; so no port, user, query, fragment or escape.
std::string SpiffeIdProblem(absl::string_view id);

inline bool IsSpiffeId(absl::string_view id) { return SpiffeIdProblem(id).empty(); }

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_SPIFFE_ID_H_
