#include "common/client/key_store_client.h"

#include "common/client/unary_call.h"
#include "common/status/status_macros.h"
#include "proto/twi/v1/key_store.grpc.pb.h"

namespace twi::client {
namespace {

class GrpcKeyStoreClient final : public KeyStoreClient {
 public:
  GrpcKeyStoreClient(const config::v1::Peer& peer, const Clock& clock, const std::shared_ptr<grpc::Channel>& channel)
      : peer_(peer), clock_(clock), stub_(v1::KeyStore::NewStub(channel)) {}

  absl::StatusOr<v1::ProvisionKeyResponse> ProvisionKey(const v1::ProvisionKeyRequest& request,
                                                        absl::Time deadline) override {
    return UnaryCall<v1::ProvisionKeyResponse>("ProvisionKey", *stub_, &Stub::ProvisionKey, request, peer_, deadline,
                                               clock_.Now());
  }

  absl::StatusOr<v1::ReleaseKeyResponse> ReleaseKey(const v1::ReleaseKeyRequest& request,
                                                    absl::Time deadline) override {
    return UnaryCall<v1::ReleaseKeyResponse>("ReleaseKey", *stub_, &Stub::ReleaseKey, request, peer_, deadline,
                                             clock_.Now());
  }

  absl::StatusOr<v1::ListKeysResponse> ListKeys(absl::Time deadline) override {
    return RepeatableCall<v1::ListKeysResponse>("ListKeys", *stub_, &Stub::ListKeys, v1::ListKeysRequest(), peer_,
                                                deadline, clock_);
  }

  absl::StatusOr<v1::GetKeyStoreKeysResponse> GetKeyStoreKeys(absl::Time deadline) override {
    return RepeatableCall<v1::GetKeyStoreKeysResponse>("GetKeyStoreKeys", *stub_, &Stub::GetKeyStoreKeys,
                                                       v1::GetKeyStoreKeysRequest(), peer_, deadline, clock_);
  }

 private:
  using Stub = v1::KeyStore::Stub;

  const config::v1::Peer peer_;
  const Clock& clock_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<KeyStoreClient>> MakeKeyStoreClient(const config::v1::Peer& peer,
                                                                   const Identity& identity, const Clock& clock) {
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, MakeChannel(peer, identity));
  return std::unique_ptr<KeyStoreClient>(std::make_unique<GrpcKeyStoreClient>(peer, clock, channel));
}

}  // namespace twi::client
