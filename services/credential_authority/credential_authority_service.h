// Adapter: gRPC to the Credential Authority's flows. Relies on the gate (common/server) for who calls; holds no policy.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_CREDENTIAL_AUTHORITY_SERVICE_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_CREDENTIAL_AUTHORITY_SERVICE_H_

#include "common/server/server.h"
#include "proto/twi/v1/credential_authority.grpc.pb.h"
#include "services/credential_authority/issue.h"

namespace twi::credential_authority {

class CredentialAuthorityService final : public v1::CredentialAuthority::Service {
 public:
  CredentialAuthorityService(server::Gate& gate, const AuthorityDeps& deps) : gate_(gate), deps_(deps) {}

  grpc::Status NewChallenge(grpc::ServerContext* context, const v1::NewChallengeRequest* request,
                            v1::NewChallengeResponse* response) override;
  grpc::Status IssueForVerifier(grpc::ServerContext* context, const v1::IssueForVerifierRequest* request,
                                v1::IssueResponse* response) override;
  grpc::Status IssueFromResults(grpc::ServerContext* context, const v1::IssueFromResultsRequest* request,
                                v1::IssueResponse* response) override;
  grpc::Status IssueFromEvidence(grpc::ServerContext* context, const v1::IssueFromEvidenceRequest* request,
                                 v1::IssueResponse* response) override;
  grpc::Status IssueForOwner(grpc::ServerContext* context, const v1::IssueForOwnerRequest* request,
                             v1::IssueResponse* response) override;
  grpc::Status GetIssuance(grpc::ServerContext* context, const v1::GetIssuanceRequest* request,
                           v1::GetIssuanceResponse* response) override;
  grpc::Status GetTrustBundle(grpc::ServerContext* context, const v1::GetTrustBundleRequest* request,
                              v1::GetTrustBundleResponse* response) override;

 private:
  server::Gate& gate_;
  const AuthorityDeps& deps_;
};

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_CREDENTIAL_AUTHORITY_SERVICE_H_
