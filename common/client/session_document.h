// The session resource of Veraison's challenge-response API (media type
// application/vnd.veraison.challenge-response-session+json) as a Verifier sends it: bytes of a peer.
#ifndef TWI_COMMON_CLIENT_SESSION_DOCUMENT_H_
#define TWI_COMMON_CLIENT_SESSION_DOCUMENT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace twi::client {

constexpr char kSessionMediaType[] = "application/vnd.veraison.challenge-response-session+json";
constexpr char kNewSessionPath[] = "/challenge-response/v1/newSession";
constexpr std::size_t kMaxSessionDocument = 512 * 1024;  // bytes: Attestation Results and what stands around them

enum class SessionStatus { kWaiting, kProcessing, kComplete, kFailed };

struct SessionDocument {
  std::string nonce;  // 8..128 bytes
  absl::Time expiry;
  std::vector<std::string> accept;  // 1..64 media types of 1..255 visible characters
  SessionStatus status = SessionStatus::kWaiting;
  std::string result;  // the Attestation Results, a JWS; not empty exactly when complete
};

// Members that we do not know are ignored (other Verifiers have some); those above are strict. The nonce is base64url
// without padding or base64 with it: both are out there. DEPENDENCY_UNAVAILABLE with what is wrong.
absl::StatusOr<SessionDocument> ParseSessionDocument(absl::string_view text);

// The path that a Location header means (RFC 3986 section 5), for the request to `base_path` at `authority`
// ("host:port"): relative to it, absolute, or a whole https URL of that very authority. At most 512 visible characters,
// without query, fragment, escape, or a "." or ".." segment. DEPENDENCY_UNAVAILABLE.
absl::StatusOr<std::string> ResolveLocation(absl::string_view location, absl::string_view base_path,
                                            absl::string_view authority);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_SESSION_DOCUMENT_H_
