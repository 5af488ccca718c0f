// Calls to the Credential Authority: one method per RPC, messages in and out. Interface + gRPC: tests give flow files a
// fake.
#ifndef TWI_COMMON_CLIENT_CREDENTIAL_AUTHORITY_CLIENT_H_
#define TWI_COMMON_CLIENT_CREDENTIAL_AUTHORITY_CLIENT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/channel.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/common.pb.h"
#include "proto/twi/v1/credential_authority.pb.h"

namespace twi::client {

// Errors: the Credential Authority's own refusals under their names; DEPENDENCY_UNAVAILABLE and DEADLINE_EXCEEDED when
// there was no answer. `deadline` is the caller's own; each call also keeps to the peer's configured timeout.
// NewChallenge, GetIssuance and GetTrustBundle are repeated (at most 3 attempts) when nobody answers; an Issue call
// never is: its single-use inputs may be spent. Thread-safe.
class CredentialAuthorityClient {
 public:
  virtual ~CredentialAuthorityClient() = default;

  // C, before C2.
  virtual absl::StatusOr<v1::NewChallengeResponse> NewChallenge(absl::Time deadline) = 0;
  // A7..A8, by the Verifier.
  virtual absl::StatusOr<v1::IssueResponse> IssueForVerifier(const v1::IssueForVerifierRequest& request,
                                                             absl::Time deadline) = 0;
  // B8..B11.
  virtual absl::StatusOr<v1::IssueResponse> IssueFromResults(const v1::IssueFromResultsRequest& request,
                                                             absl::Time deadline) = 0;
  // C4..C11.
  virtual absl::StatusOr<v1::IssueResponse> IssueFromEvidence(const v1::IssueFromEvidenceRequest& request,
                                                              absl::Time deadline) = 0;
  // P6..P7, by the Workload Owner.
  virtual absl::StatusOr<v1::IssueResponse> IssueForOwner(const v1::IssueForOwnerRequest& request,
                                                          absl::Time deadline) = 0;
  virtual absl::StatusOr<v1::GetIssuanceResponse> GetIssuance(const v1::GetIssuanceRequest& request,
                                                              absl::Time deadline) = 0;
  virtual absl::StatusOr<v1::GetTrustBundleResponse> GetTrustBundle(absl::Time deadline) = 0;
};

// `peer` is validated (CONFIG_INVALID). `clock` must outlive the client.
absl::StatusOr<std::unique_ptr<CredentialAuthorityClient>> MakeCredentialAuthorityClient(const config::v1::Peer& peer,
                                                                                         const Identity& identity,
                                                                                         const Clock& clock);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_CREDENTIAL_AUTHORITY_CLIENT_H_
