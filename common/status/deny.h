// A refusal: one reason from the closed list (proto/twi/v1/deny_reason.proto) and, for the log and the owner,
// everything that was wrong.
#ifndef TWI_COMMON_STATUS_DENY_H_
#define TWI_COMMON_STATUS_DENY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/twi/v1/deny_reason.pb.h"

namespace twi {

using v1::DenyReason;

// A Status that carries `reason` as payload and `detail` as message. The Status code follows from the reason (CodeFor).
// `detail` goes to the log and the owner, never to the peer. DENY_REASON_UNSPECIFIED becomes DENY_REASON_INTERNAL.
absl::Status Deny(DenyReason reason, absl::string_view detail);

// The reason that `status` carries; DENY_REASON_INTERNAL for a failed Status without one (a broken invariant of ours,
// never a peer's fault), DENY_REASON_UNSPECIFIED for OK.
DenyReason DenyReasonOf(const absl::Status& status);

// "CHALLENGE_EXPIRED" for DENY_REASON_CHALLENGE_EXPIRED: the name that peers, logs and tests see.
std::string DenyReasonName(DenyReason reason);

// The operator's sentence for a reason, from the enum's option in the proto.
std::string DenyReasonSentence(DenyReason reason);

// The canonical code of a reason: INVALID_ARGUMENT (malformed), UNAUTHENTICATED, PERMISSION_DENIED, ALREADY_EXISTS
// (replay), ...
absl::StatusCode CodeFor(DenyReason reason);

// The same refusal with `context` in front of its detail; the reason stays.
absl::Status WithContext(const absl::Status& status, absl::string_view context);

}  // namespace twi

#endif  // TWI_COMMON_STATUS_DENY_H_
