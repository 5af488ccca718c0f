#include "common/client/credential_authority_client.h"

#include "common/client/unary_call.h"
#include "common/status/status_macros.h"
#include "proto/twi/v1/credential_authority.grpc.pb.h"

namespace twi::client {
namespace {

class GrpcCredentialAuthorityClient final : public CredentialAuthorityClient {
 public:
  GrpcCredentialAuthorityClient(const config::v1::Peer& peer, const Clock& clock,
                                const std::shared_ptr<grpc::Channel>& channel)
      : peer_(peer), clock_(clock), stub_(v1::CredentialAuthority::NewStub(channel)) {}

  absl::StatusOr<v1::NewChallengeResponse> NewChallenge(absl::Time deadline) override {
    return RepeatableCall<v1::NewChallengeResponse>("NewChallenge", *stub_, &Stub::NewChallenge,
                                                    v1::NewChallengeRequest(), peer_, deadline, clock_);
  }

  absl::StatusOr<v1::IssueResponse> IssueForVerifier(const v1::IssueForVerifierRequest& request,
                                                     absl::Time deadline) override {
    return UnaryCall<v1::IssueResponse>("IssueForVerifier", *stub_, &Stub::IssueForVerifier, request, peer_, deadline,
                                        clock_.Now());
  }

  absl::StatusOr<v1::IssueResponse> IssueFromResults(const v1::IssueFromResultsRequest& request,
                                                     absl::Time deadline) override {
    return UnaryCall<v1::IssueResponse>("IssueFromResults", *stub_, &Stub::IssueFromResults, request, peer_, deadline,
                                        clock_.Now());
  }

  absl::StatusOr<v1::IssueResponse> IssueFromEvidence(const v1::IssueFromEvidenceRequest& request,
                                                      absl::Time deadline) override {
    return UnaryCall<v1::IssueResponse>("IssueFromEvidence", *stub_, &Stub::IssueFromEvidence, request, peer_, deadline,
                                        clock_.Now());
  }

  absl::StatusOr<v1::IssueResponse> IssueForOwner(const v1::IssueForOwnerRequest& request,
                                                  absl::Time deadline) override {
    return UnaryCall<v1::IssueResponse>("IssueForOwner", *stub_, &Stub::IssueForOwner, request, peer_, deadline,
                                        clock_.Now());
  }

  absl::StatusOr<v1::GetIssuanceResponse> GetIssuance(const v1::GetIssuanceRequest& request,
                                                      absl::Time deadline) override {
    return RepeatableCall<v1::GetIssuanceResponse>("GetIssuance", *stub_, &Stub::GetIssuance, request, peer_, deadline,
                                                   clock_);
  }

  absl::StatusOr<v1::GetTrustBundleResponse> GetTrustBundle(absl::Time deadline) override {
    return RepeatableCall<v1::GetTrustBundleResponse>("GetTrustBundle", *stub_, &Stub::GetTrustBundle,
                                                      v1::GetTrustBundleRequest(), peer_, deadline, clock_);
  }

 private:
  using Stub = v1::CredentialAuthority::Stub;

  const config::v1::Peer peer_;
  const Clock& clock_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CredentialAuthorityClient>> MakeCredentialAuthorityClient(const config::v1::Peer& peer,
                                                                                         const Identity& identity,
                                                                                         const Clock& clock) {
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, MakeChannel(peer, identity));
  return std::unique_ptr<CredentialAuthorityClient>(
      std::make_unique<GrpcCredentialAuthorityClient>(peer, clock, channel));
}

}  // namespace twi::client
