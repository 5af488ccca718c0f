// The Verifier as attested TLS sees it: sessions of its challenge-response API (Veraison's, served by the REST front of
// our Verifier). An interface because it stands at a process boundary; the HTTPS client is common/client's.
#ifndef TWI_COMMON_ATTESTED_TLS_VERIFIER_SESSIONS_H_
#define TWI_COMMON_ATTESTED_TLS_VERIFIER_SESSIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::atls {

struct VerifierSession {
  std::string id;                        // where to submit: the Location of the session
  std::string nonce;                     // 8..128 bytes
  std::vector<std::string> media_types;  // that the Verifier accepts
};

// Calls block until `deadline` at most; thread-safe. Errors: the Verifier's own refusals under their names;
// SERVER_UNAUTHENTICATED and SERVER_IDENTITY_MISMATCH (not the Verifier); DEPENDENCY_UNAVAILABLE and DEADLINE_EXCEEDED
// when there was no (usable) answer.
class VerifierSessions {
 public:
  virtual ~VerifierSessions() = default;
  // POST .../newSession
  virtual absl::StatusOr<VerifierSession> NewSession(absl::Time deadline) = 0;
  // POST to the session: Evidence of `media_type`, which must be bound as `binding` says. `binding` is the relying
  // party's own: recomputed from its own connection. Gives the Attestation Results, a JWS; nothing of it is verified.
  virtual absl::StatusOr<std::string> Submit(const VerifierSession& session, absl::string_view media_type,
                                             absl::string_view evidence, const v1::Binding& binding,
                                             absl::Time deadline) = 0;
  // DELETE of a session to which nothing was submitted. One that cannot be ended now expires by itself, hence no
  // result; blocks for seconds at most.
  virtual void End(const VerifierSession& session) = 0;
};

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_VERIFIER_SESSIONS_H_
