// Calls to the Verifier: one method per RPC, messages in and out. Interface + gRPC: tests give flow files a fake.
#ifndef TWI_COMMON_CLIENT_VERIFIER_CLIENT_H_
#define TWI_COMMON_CLIENT_VERIFIER_CLIENT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/channel.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/common.pb.h"
#include "proto/twi/v1/verifier.pb.h"

namespace twi::client {

// Errors: the Verifier's own refusals under their names; DEPENDENCY_UNAVAILABLE and DEADLINE_EXCEEDED when there was no
// answer. `deadline` is the caller's own; each call also keeps to the peer's configured timeout. NewChallenge and
// GetVerifierKeys are repeated (at most 3 attempts) when nobody answers, nothing else is. Thread-safe.
class VerifierClient {
 public:
  virtual ~VerifierClient() = default;

  virtual absl::StatusOr<v1::NewChallengeResponse> NewChallenge(absl::Time deadline) = 0;
  // B3..B6, D3..D4.
  virtual absl::StatusOr<v1::AppraiseResponse> Appraise(const v1::AppraiseRequest& request, absl::Time deadline) = 0;
  // C5..C8, by the Credential Authority.
  virtual absl::StatusOr<v1::AppraiseResponse> AppraiseForRelyingParty(
      const v1::AppraiseForRelyingPartyRequest& request, absl::Time deadline) = 0;
  // A4..A9.
  virtual absl::StatusOr<v1::RequestCredentialResponse> RequestCredential(const v1::RequestCredentialRequest& request,
                                                                          absl::Time deadline) = 0;
  virtual absl::StatusOr<v1::GetVerifierKeysResponse> GetVerifierKeys(absl::Time deadline) = 0;
};

// `peer` is validated (CONFIG_INVALID). `clock` must outlive the client.
absl::StatusOr<std::unique_ptr<VerifierClient>> MakeVerifierClient(const config::v1::Peer& peer,
                                                                   const Identity& identity, const Clock& clock);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_VERIFIER_CLIENT_H_
