#include "services/credential_authority/credential_authority_service.h"

#include <optional>

#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/credential_authority/issuance_record.h"
#include "services/credential_authority/issue_for_owner.h"
#include "services/credential_authority/issue_for_verifier.h"
#include "services/credential_authority/issue_from_evidence.h"
#include "services/credential_authority/issue_from_results.h"

namespace twi::credential_authority {

using server::Call;

grpc::Status CredentialAuthorityService::NewChallenge(grpc::ServerContext* context, const v1::NewChallengeRequest*,
                                                      v1::NewChallengeResponse* response) {
  return server::Handle(gate_, *context, "NewChallenge", [&](const Call& call) -> absl::Status {
    TWI_RETURN_IF_ERROR(CheckMechanism(deps_, "C"));
    response->set_nonce(deps_.challenges.Issue(call.peer.key_sha256, deps_.clock.Now()));
    response->set_lifetime_seconds(static_cast<std::uint32_t>(absl::ToInt64Seconds(deps_.challenges.lifetime())));
    return absl::OkStatus();
  });
}

grpc::Status CredentialAuthorityService::IssueForVerifier(grpc::ServerContext* context,
                                                          const v1::IssueForVerifierRequest* request,
                                                          v1::IssueResponse* response) {
  return server::Handle(gate_, *context, "IssueForVerifier", [&](const Call& call) -> absl::Status {
    TWI_ASSIGN_OR_RETURN(*response, credential_authority::IssueForVerifier(deps_, *request, call.peer, call.deadline));
    return absl::OkStatus();
  });
}

grpc::Status CredentialAuthorityService::IssueFromResults(grpc::ServerContext* context,
                                                          const v1::IssueFromResultsRequest* request,
                                                          v1::IssueResponse* response) {
  return server::Handle(gate_, *context, "IssueFromResults", [&](const Call& call) -> absl::Status {
    TWI_ASSIGN_OR_RETURN(*response, credential_authority::IssueFromResults(deps_, *request, call.peer, call.deadline));
    return absl::OkStatus();
  });
}

grpc::Status CredentialAuthorityService::IssueFromEvidence(grpc::ServerContext* context,
                                                           const v1::IssueFromEvidenceRequest* request,
                                                           v1::IssueResponse* response) {
  return server::Handle(gate_, *context, "IssueFromEvidence", [&](const Call& call) -> absl::Status {
    TWI_ASSIGN_OR_RETURN(*response, credential_authority::IssueFromEvidence(deps_, *request, call.peer, call.deadline));
    return absl::OkStatus();
  });
}

grpc::Status CredentialAuthorityService::IssueForOwner(grpc::ServerContext* context,
                                                       const v1::IssueForOwnerRequest* request,
                                                       v1::IssueResponse* response) {
  return server::Handle(gate_, *context, "IssueForOwner", [&](const Call& call) -> absl::Status {
    TWI_ASSIGN_OR_RETURN(*response, credential_authority::IssueForOwner(deps_, *request, call.peer, call.deadline));
    return absl::OkStatus();
  });
}

grpc::Status CredentialAuthorityService::GetIssuance(grpc::ServerContext* context,
                                                     const v1::GetIssuanceRequest* request,
                                                     v1::GetIssuanceResponse* response) {
  return server::Handle(gate_, *context, "GetIssuance", [&](const Call& call) -> absl::Status {
    std::optional<std::string> reader = call.peer.spiffe_id;
    if (deps_.operators.count(*reader) == 1) reader.reset();
    TWI_ASSIGN_OR_RETURN(*response, FindIssuance(deps_.database, *request, reader));
    return absl::OkStatus();
  });
}

grpc::Status CredentialAuthorityService::GetTrustBundle(grpc::ServerContext* context, const v1::GetTrustBundleRequest*,
                                                        v1::GetTrustBundleResponse* response) {
  return server::Handle(gate_, *context, "GetTrustBundle", [&](const Call&) {
    for (const std::string& der : deps_.x509.bundle) response->add_x509_bundle(der);
    response->set_jwks(SpiffeBundle(deps_));
    return absl::OkStatus();
  });
}

}  // namespace twi::credential_authority
