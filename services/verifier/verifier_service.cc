#include "services/verifier/verifier_service.h"

#include "common/jose/jwk.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::verifier {

using server::Call;

grpc::Status VerifierService::NewChallenge(grpc::ServerContext* context, const v1::NewChallengeRequest*,
                                           v1::NewChallengeResponse* response) {
  return server::Handle(gate_, *context, "NewChallenge", [&](const Call& call) {
    response->set_nonce(deps_.challenges.Issue(call.peer.key_sha256, deps_.clock.Now()));
    response->set_lifetime_seconds(static_cast<std::uint32_t>(absl::ToInt64Seconds(deps_.challenges.lifetime())));
    return absl::OkStatus();
  });
}

grpc::Status VerifierService::Appraise(grpc::ServerContext* context, const v1::AppraiseRequest* request,
                                       v1::AppraiseResponse* response) {
  return server::Handle(gate_, *context, "Appraise", [&](const Call& call) -> absl::Status {
    TWI_ASSIGN_OR_RETURN(const AttestationResults results,
                         AppraiseForWorkload(deps_, request->evidence(), request->binding(), call.peer.key_sha256));
    TWI_ASSIGN_OR_RETURN(*response->mutable_attestation_results(), Sign(deps_, results));  // B6
    return absl::OkStatus();
  });
}

grpc::Status VerifierService::AppraiseForRelyingParty(grpc::ServerContext* context,
                                                      const v1::AppraiseForRelyingPartyRequest* request,
                                                      v1::AppraiseResponse* response) {
  return server::Handle(gate_, *context, "AppraiseForRelyingParty", [&](const Call& call) -> absl::Status {
    TWI_ASSIGN_OR_RETURN(const AttestationResults results,
                         verifier::AppraiseForRelyingParty(deps_, *request, call.peer.spiffe_id));
    TWI_ASSIGN_OR_RETURN(*response->mutable_attestation_results(), Sign(deps_, results));  // C8
    return absl::OkStatus();
  });
}

grpc::Status VerifierService::RequestCredential(grpc::ServerContext* context,
                                                const v1::RequestCredentialRequest* request,
                                                v1::RequestCredentialResponse* response) {
  return server::Handle(gate_, *context, "RequestCredential", [&](const Call& call) -> absl::Status {
    if (claims_mapper_ == nullptr || credential_authority_ == nullptr) {
      return Deny(v1::DENY_REASON_NOT_IMPLEMENTED,
                  "mechanism A is not configured: claims_mapper and credential_authority are unset");
    }
    const RequestCredentialDeps deps{deps_, *claims_mapper_, *credential_authority_};
    TWI_ASSIGN_OR_RETURN(*response->mutable_attestation_results(),
                         verifier::RequestCredential(deps, *request, call.peer.key_sha256, call.deadline));
    return absl::OkStatus();
  });
}

grpc::Status VerifierService::GetVerifierKeys(grpc::ServerContext* context, const v1::GetVerifierKeysRequest*,
                                              v1::GetVerifierKeysResponse* response) {
  return server::Handle(gate_, *context, "GetVerifierKeys", [&](const Call&) {
    response->set_jwks(jose::ToJson(deps_.results_keys.Published(deps_.clock.Now())).dump());
    response->set_encryption_key_id(deps_.encryption_key.kid());
    response->set_encryption_key_spki(deps_.encryption_key.spki());
    return absl::OkStatus();
  });
}

}  // namespace twi::verifier
