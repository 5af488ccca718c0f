// Adapter: gRPC to the Key Store's flows. Relies on the gate (common/server) for who calls; holds no policy.
#ifndef TWI_SERVICES_KEY_STORE_KEY_STORE_SERVICE_H_
#define TWI_SERVICES_KEY_STORE_KEY_STORE_SERVICE_H_

#include "common/server/server.h"
#include "proto/twi/v1/key_store.grpc.pb.h"
#include "services/key_store/key_store_deps.h"

namespace twi::key_store {

class KeyStoreService final : public v1::KeyStore::Service {
 public:
  // Both must outlive the service.
  KeyStoreService(server::Gate& gate, const KeyStoreDeps& deps) : gate_(gate), deps_(deps) {}

  grpc::Status ProvisionKey(grpc::ServerContext* context, const v1::ProvisionKeyRequest* request,
                            v1::ProvisionKeyResponse* response) override;
  grpc::Status ReleaseKey(grpc::ServerContext* context, const v1::ReleaseKeyRequest* request,
                          v1::ReleaseKeyResponse* response) override;
  grpc::Status ListKeys(grpc::ServerContext* context, const v1::ListKeysRequest* request,
                        v1::ListKeysResponse* response) override;
  grpc::Status GetKeyStoreKeys(grpc::ServerContext* context, const v1::GetKeyStoreKeysRequest* request,
                               v1::GetKeyStoreKeysResponse* response) override;

 private:
  server::Gate& gate_;
  const KeyStoreDeps& deps_;
};

}  // namespace twi::key_store

#endif  // TWI_SERVICES_KEY_STORE_KEY_STORE_SERVICE_H_
