// Sessions at a Verifier's challenge-response API (Veraison's; ours serves it, services/verifier/rest.md), over mTLS.
#ifndef TWI_COMMON_CLIENT_VERIFIER_SESSION_H_
#define TWI_COMMON_CLIENT_VERIFIER_SESSION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/jose/jwk.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/common.pb.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::client {

constexpr char kBoundEvidenceMediaType[] = "application/vnd.twi.bound-evidence+protobuf";

struct VerifierSession {
  std::string path;   // of the session at this Verifier, from Location
  std::string nonce;  // 8..128 bytes
  absl::Time expiry;
  std::vector<std::string> media_types;  // of Evidence that it takes
};

// Thread-safe; calls block. Errors: the Verifier's own refusals under their names; SERVER_UNAUTHENTICATED and
// SERVER_IDENTITY_MISMATCH (not the Verifier); DEPENDENCY_UNAVAILABLE and DEADLINE_EXCEEDED when there was no usable
// answer.
class VerifierSessionClient {
 public:
  virtual ~VerifierSessionClient() = default;
  // POST .../newSession, with a nonce of `nonce_size` (8..64) bytes of the Verifier's.
  virtual absl::StatusOr<VerifierSession> NewSession(std::size_t nonce_size, absl::Time deadline) = 0;
  // The same for a nonce of one's own, 8..64 bytes; a session with another is refused.
  virtual absl::StatusOr<VerifierSession> NewSessionFor(absl::string_view nonce, absl::Time deadline) = 0;
  // POST to the session: Evidence whose freshness field is the session's nonce itself. Gives the Attestation Results, a
  // JWS; nothing of it is verified here. APPRAISAL_POLICY_REFUSED: the session has failed, and the Verifier does not
  // say why. The results must be in the answer: 202 and polling, which Veraison's API has and ours never needs, are not
  // followed (DEPENDENCY_UNAVAILABLE).
  virtual absl::StatusOr<std::string> Submit(const VerifierSession& session, absl::string_view media_type,
                                             absl::string_view evidence, absl::Time deadline) = 0;
  // The same for Evidence whose freshness field is the value of `binding`.
  virtual absl::StatusOr<std::string> SubmitBound(const VerifierSession& session, absl::string_view media_type,
                                                  absl::string_view evidence, const v1::Binding& binding,
                                                  absl::Time deadline) = 0;
  // DELETE of the session; one that is not used ends by itself at its expiry.
  virtual absl::Status End(const VerifierSession& session, absl::Time deadline) = 0;
  // GET of the discovery document: the key that signs Attestation Results now. For KeySource.
  virtual absl::StatusOr<jose::JwkSet> ResultsKeys(absl::Time deadline) = 0;
};

// `peer`: the REST listener of the Verifier. CONFIG_INVALID. `clock` must outlive the client.
absl::StatusOr<std::unique_ptr<VerifierSessionClient>> MakeVerifierSessionClient(const config::v1::Peer& peer,
                                                                                 const config::v1::Tls& tls,
                                                                                 const Clock& clock);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_VERIFIER_SESSION_H_
