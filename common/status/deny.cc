#include "common/status/deny.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace twi {
namespace {

constexpr char kPayloadUrl[] = "twi.v1.DenyReason";
constexpr char kPrefix[] = "DENY_REASON_";

}  // namespace

absl::StatusCode CodeFor(DenyReason reason) {
  switch (reason) {
    case v1::DENY_REASON_UNSPECIFIED:
    case v1::DENY_REASON_INTERNAL:
    case v1::DENY_REASON_STORAGE_FAILED:
      return absl::StatusCode::kInternal;
    case v1::DENY_REASON_NOT_IMPLEMENTED:
      return absl::StatusCode::kUnimplemented;
    case v1::DENY_REASON_DEPENDENCY_UNAVAILABLE:
      return absl::StatusCode::kUnavailable;
    case v1::DENY_REASON_DEADLINE_EXCEEDED:
    case v1::DENY_REASON_ATTESTED_TLS_TIMEOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case v1::DENY_REASON_OVERLOADED:
      return absl::StatusCode::kResourceExhausted;
    case v1::DENY_REASON_REQUEST_TOO_LARGE:
    case v1::DENY_REASON_REQUEST_MALFORMED:
    case v1::DENY_REASON_METHOD_NOT_ALLOWED:
    case v1::DENY_REASON_MEDIA_TYPE_UNSUPPORTED:
    case v1::DENY_REASON_MEDIA_TYPE_NOT_ACCEPTABLE:
    case v1::DENY_REASON_EVIDENCE_MALFORMED:
    case v1::DENY_REASON_RESULTS_MALFORMED:
    case v1::DENY_REASON_CSR_MALFORMED:
    case v1::DENY_REASON_GRANT_MALFORMED:
    case v1::DENY_REASON_POLICY_MALFORMED:
    case v1::DENY_REASON_KEY_MALFORMED:
    case v1::DENY_REASON_JWS_MALFORMED:
    case v1::DENY_REASON_JWK_MALFORMED:
    case v1::DENY_REASON_CERTIFICATE_MALFORMED:
    case v1::DENY_REASON_ENDORSEMENT_MALFORMED:
    case v1::DENY_REASON_ENCODING_MALFORMED:
    case v1::DENY_REASON_EXPRESSION_INVALID:
    case v1::DENY_REASON_RELEASE_POLICY_INVALID:
    case v1::DENY_REASON_CONFIG_INVALID:
    case v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID:
    case v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID:
    case v1::DENY_REASON_ATTESTED_TLS_KAT_MALFORMED:
    case v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE:
    case v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID:
      return absl::StatusCode::kInvalidArgument;
    case v1::DENY_REASON_PEER_UNAUTHENTICATED:
    case v1::DENY_REASON_SERVER_UNAUTHENTICATED:
    case v1::DENY_REASON_SERVER_IDENTITY_MISMATCH:
    case v1::DENY_REASON_CHALLENGE_MISSING:
    case v1::DENY_REASON_CHALLENGE_UNKNOWN:
    case v1::DENY_REASON_CHALLENGE_EXPIRED:
    case v1::DENY_REASON_CHALLENGE_WRONG_CHANNEL:
      return absl::StatusCode::kUnauthenticated;
    case v1::DENY_REASON_CHALLENGE_REPLAYED:
    case v1::DENY_REASON_SESSION_USED:
    case v1::DENY_REASON_RESULTS_REPLAYED:
    case v1::DENY_REASON_GRANT_REPLAYED:
    case v1::DENY_REASON_RELEASE_POLICY_IMMUTABLE:
      return absl::StatusCode::kAlreadyExists;
    case v1::DENY_REASON_RESOURCE_UNKNOWN:
    case v1::DENY_REASON_SESSION_UNKNOWN:
    case v1::DENY_REASON_SESSION_EXPIRED:
    case v1::DENY_REASON_KEY_UNKNOWN:
    case v1::DENY_REASON_ISSUANCE_UNKNOWN:
      return absl::StatusCode::kNotFound;
    default:
      return absl::StatusCode::kPermissionDenied;
  }
}

absl::Status Deny(DenyReason reason, absl::string_view detail) {
  if (reason == v1::DENY_REASON_UNSPECIFIED || !v1::DenyReason_IsValid(reason)) reason = v1::DENY_REASON_INTERNAL;
  absl::Status status(CodeFor(reason), detail);
  status.SetPayload(kPayloadUrl, absl::Cord(v1::DenyReason_Name(reason)));
  return status;
}

DenyReason DenyReasonOf(const absl::Status& status) {
  if (status.ok()) return v1::DENY_REASON_UNSPECIFIED;
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  DenyReason reason = v1::DENY_REASON_INTERNAL;
  if (payload.has_value() && !v1::DenyReason_Parse(std::string(*payload), &reason)) return v1::DENY_REASON_INTERNAL;
  return reason;
}

std::string DenyReasonName(DenyReason reason) { return v1::DenyReason_Name(reason).substr(sizeof(kPrefix) - 1); }

std::string DenyReasonSentence(DenyReason reason) {
  const google::protobuf::EnumValueDescriptor* value = v1::DenyReason_descriptor()->FindValueByNumber(reason);
  return value == nullptr ? "" : value->options().GetExtension(v1::sentence);
}

absl::Status WithContext(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status result(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { result.SetPayload(url, payload); });
  return result;
}

}  // namespace twi
