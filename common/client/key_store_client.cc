#include "common/client/key_store_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/client/unary_call.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "proto/twi/v1/key_store.grpc.pb.h"

namespace twi::client {
namespace {

constexpr int kMaxListedKeys = 100000;  // what a peer can make us hold: some hundred MB at the very worst

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
    v1::ListKeysResponse all;
    v1::ListKeysRequest request;
    do {
      TWI_ASSIGN_OR_RETURN(
          v1::ListKeysResponse page,
          RepeatableCall<v1::ListKeysResponse>("ListKeys", *stub_, &Stub::ListKeys, request, peer_, deadline, clock_));
      if (!page.next().empty() && page.next() <= request.after())
        return Deny(v1::DENY_REASON_INTERNAL, "the Key Store's pages do not go forward");
      if (all.keys_size() + page.keys_size() > kMaxListedKeys)
        return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, absl::StrCat("more than ", kMaxListedKeys, " keys"));
      for (v1::KeyInfo& key : *page.mutable_keys()) *all.add_keys() = std::move(key);
      request.set_after(page.next());
    } while (!request.after().empty());
    return all;
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
