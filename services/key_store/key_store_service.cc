#include "services/key_store/key_store_service.h"

#include "common/jose/jwk.h"
#include "common/status/status_macros.h"
#include "services/key_store/provision_key.h"
#include "services/key_store/release_key.h"

namespace twi::key_store {

using server::Call;

grpc::Status KeyStoreService::ProvisionKey(grpc::ServerContext* context, const v1::ProvisionKeyRequest* request,
                                           v1::ProvisionKeyResponse* response) {
  return server::Handle(gate_, *context, "ProvisionKey", [&](const Call& call) -> absl::Status {
    TWI_ASSIGN_OR_RETURN(*response, key_store::ProvisionKey(deps_, *request, call.peer.spiffe_id));
    return absl::OkStatus();
  });
}

grpc::Status KeyStoreService::ReleaseKey(grpc::ServerContext* context, const v1::ReleaseKeyRequest* request,
                                         v1::ReleaseKeyResponse* response) {
  return server::Handle(gate_, *context, "ReleaseKey", [&](const Call& call) -> absl::Status {
    TWI_ASSIGN_OR_RETURN(*response->mutable_sealed_key(),
                         key_store::ReleaseKey(deps_, *request, call.peer, call.deadline));
    return absl::OkStatus();
  });
}

grpc::Status KeyStoreService::ListKeys(grpc::ServerContext* context, const v1::ListKeysRequest* request,
                                       v1::ListKeysResponse* response) {
  return server::Handle(gate_, *context, "ListKeys", [&](const Call& call) -> absl::Status {
    TWI_ASSIGN_OR_RETURN(*response, key_store::ListKeys(deps_, *request, call.peer.spiffe_id));
    return absl::OkStatus();
  });
}

grpc::Status KeyStoreService::GetKeyStoreKeys(grpc::ServerContext* context, const v1::GetKeyStoreKeysRequest*,
                                              v1::GetKeyStoreKeysResponse* response) {
  return server::Handle(gate_, *context, "GetKeyStoreKeys", [&](const Call&) {
    response->set_jwks(jose::ToJson(deps_.signing_keys.Published(deps_.clock.Now())).dump());
    return absl::OkStatus();
  });
}

}  // namespace twi::key_store
