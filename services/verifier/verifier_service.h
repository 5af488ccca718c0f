// Adapter: gRPC to the Verifier's flows. Relies on the gate (common/server) for who calls; holds no policy.
#ifndef TWI_SERVICES_VERIFIER_VERIFIER_SERVICE_H_
#define TWI_SERVICES_VERIFIER_VERIFIER_SERVICE_H_

#include "common/server/server.h"
#include "proto/twi/v1/verifier.grpc.pb.h"
#include "services/verifier/request_credential.h"

namespace twi::verifier {

class VerifierService final : public v1::Verifier::Service {
 public:
  // The clients may be null: then RequestCredential answers NOT_IMPLEMENTED. Everything must outlive the service.
  VerifierService(server::Gate& gate, const VerifierDeps& deps, client::ClaimsMapperClient* claims_mapper,
                  client::CredentialAuthorityClient* credential_authority)
      : gate_(gate), deps_(deps), claims_mapper_(claims_mapper), credential_authority_(credential_authority) {}

  grpc::Status NewChallenge(grpc::ServerContext* context, const v1::NewChallengeRequest* request,
                            v1::NewChallengeResponse* response) override;
  grpc::Status Appraise(grpc::ServerContext* context, const v1::AppraiseRequest* request,
                        v1::AppraiseResponse* response) override;
  grpc::Status AppraiseForRelyingParty(grpc::ServerContext* context, const v1::AppraiseForRelyingPartyRequest* request,
                                       v1::AppraiseResponse* response) override;
  grpc::Status RequestCredential(grpc::ServerContext* context, const v1::RequestCredentialRequest* request,
                                 v1::RequestCredentialResponse* response) override;
  grpc::Status GetVerifierKeys(grpc::ServerContext* context, const v1::GetVerifierKeysRequest* request,
                               v1::GetVerifierKeysResponse* response) override;

 private:
  server::Gate& gate_;
  const VerifierDeps& deps_;
  client::ClaimsMapperClient* const claims_mapper_;
  client::CredentialAuthorityClient* const credential_authority_;
};

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_VERIFIER_SERVICE_H_
