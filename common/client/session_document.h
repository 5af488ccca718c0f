// What a Verifier sends by Veraison's challenge-response API: the session resource (media type
// application/vnd.veraison.challenge-response-session+json) and the discovery document. Bytes of a peer.
#ifndef TWI_COMMON_CLIENT_SESSION_DOCUMENT_H_
#define TWI_COMMON_CLIENT_SESSION_DOCUMENT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/jose/jwk.h"

namespace twi::client {

constexpr char kSessionMediaType[] = "application/vnd.veraison.challenge-response-session+json";
constexpr char kNewSessionPath[] = "/challenge-response/v1/newSession";
constexpr char kDiscoveryMediaType[] = "application/vnd.veraison.discovery+json";
constexpr char kDiscoveryPath[] = "/.well-known/veraison/verification";
constexpr std::size_t kMaxSessionDocument = 512 * 1024;  // bytes: Attestation Results and what stands around them

enum class SessionStatus { kWaiting, kProcessing, kComplete, kFailed };

struct SessionDocument {
  std::string nonce;                // 8..128 bytes
  absl::Time expiry;                // a finite one
  std::vector<std::string> accept;  // 1..64 media types of 1..255 visible characters
  SessionStatus status = SessionStatus::kWaiting;
  std::string result;  // the Attestation Results, a JWS; not empty exactly when complete
};

// Members that we do not know are ignored (other Verifiers have some); those above are strict. The nonce is base64url
// without padding or base64 with it: both are out there. DEPENDENCY_UNAVAILABLE with what is wrong.
absl::StatusOr<SessionDocument> ParseSessionDocument(absl::string_view text);

// The key that signs Attestation Results, `ear-verification-key`; it must name its kid. The rest is ignored: what a
// session takes is in the session. DEPENDENCY_UNAVAILABLE with what is wrong.
absl::StatusOr<jose::JwkSet> ParseDiscovery(absl::string_view text);

// The path that a Location header means (RFC 3986 section 5), for the request to `base_path` at `authority`
// ("host:port"): relative to it, absolute, or a whole https URL of that very authority. At most 512 visible characters,
// without query, fragment, escape, or a "." or ".." segment. DEPENDENCY_UNAVAILABLE.
absl::StatusOr<std::string> ResolveLocation(absl::string_view location, absl::string_view base_path,
                                            absl::string_view authority);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_SESSION_DOCUMENT_H_
