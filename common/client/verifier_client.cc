#include "common/client/verifier_client.h"

#include "common/client/unary_call.h"
#include "common/status/status_macros.h"
#include "proto/twi/v1/verifier.grpc.pb.h"

namespace twi::client {
namespace {

class GrpcVerifierClient final : public VerifierClient {
 public:
  GrpcVerifierClient(const config::v1::Peer& peer, const Clock& clock, const std::shared_ptr<grpc::Channel>& channel)
      : peer_(peer), clock_(clock), stub_(v1::Verifier::NewStub(channel)) {}

  absl::StatusOr<v1::NewChallengeResponse> NewChallenge(absl::Time deadline) override {
    return RepeatableCall<v1::NewChallengeResponse>("NewChallenge", *stub_, &Stub::NewChallenge,
                                                    v1::NewChallengeRequest(), peer_, deadline, clock_);
  }

  absl::StatusOr<v1::AppraiseResponse> Appraise(const v1::AppraiseRequest& request, absl::Time deadline) override {
    return UnaryCall<v1::AppraiseResponse>("Appraise", *stub_, &Stub::Appraise, request, peer_, deadline, clock_.Now());
  }

  absl::StatusOr<v1::AppraiseResponse> AppraiseForRelyingParty(const v1::AppraiseForRelyingPartyRequest& request,
                                                               absl::Time deadline) override {
    return UnaryCall<v1::AppraiseResponse>("AppraiseForRelyingParty", *stub_, &Stub::AppraiseForRelyingParty, request,
                                           peer_, deadline, clock_.Now());
  }

  absl::StatusOr<v1::RequestCredentialResponse> RequestCredential(const v1::RequestCredentialRequest& request,
                                                                  absl::Time deadline) override {
    return UnaryCall<v1::RequestCredentialResponse>("RequestCredential", *stub_, &Stub::RequestCredential, request,
                                                    peer_, deadline, clock_.Now());
  }

  absl::StatusOr<v1::GetVerifierKeysResponse> GetVerifierKeys(absl::Time deadline) override {
    return RepeatableCall<v1::GetVerifierKeysResponse>("GetVerifierKeys", *stub_, &Stub::GetVerifierKeys,
                                                       v1::GetVerifierKeysRequest(), peer_, deadline, clock_);
  }

 private:
  using Stub = v1::Verifier::Stub;

  const config::v1::Peer peer_;
  const Clock& clock_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierClient>> MakeVerifierClient(const config::v1::Peer& peer,
                                                                   const Identity& identity, const Clock& clock) {
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, MakeChannel(peer, identity));
  return std::unique_ptr<VerifierClient>(std::make_unique<GrpcVerifierClient>(peer, clock, channel));
}

}  // namespace twi::client
